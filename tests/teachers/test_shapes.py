import numpy as np
import pytest
from PIL import Image

from vild import prompts
from vild.data.drawn import COLOURS, PATTERNS, SHAPES, Drawing, drawings, paste
from vild.data.drawn_background import background
from vild.errors import InputError
from vild.teachers.protocol import Teacher
from vild.teachers.shapes import KNOWN, Shapes

pytestmark = pytest.mark.numpy

EVERYTHING = drawings()
NAMES = [drawing.name for drawing in EVERYTHING]


@pytest.fixture(scope="module")
def teacher() -> Shapes:
    return Shapes()


def crops(
    chosen: list[Drawing], seed: int, size: int = 56, room: int = 8
) -> np.ndarray:
    """Drawings of some size, each with room around it, enlarged or shrunk to 64."""
    rng = np.random.default_rng(seed)
    images = []
    for drawing in chosen:
        canvas = background(size + room, size + room, rng, clutter=0.5)
        paste(canvas, drawing, ((size + room) // 2, (size + room) // 2), size, rng)
        images.append(
            Image.fromarray(canvas).resize((64, 64), Image.Resampling.BICUBIC)
        )
    return np.stack(images)


def cosine(teacher: Shapes, one: str, other: str) -> float:
    first, second = teacher.encode_text([one, other])
    return float(first @ second)


def test_it_is_a_teacher(teacher: Shapes) -> None:
    assert isinstance(teacher, Teacher)
    assert (teacher.name, teacher.dim, teacher.image_size) == ("shapes", 64, 64)
    assert teacher.resize == "squash"
    assert prompts.read_templates(teacher.templates) == ("{}",)


def test_rows_are_unit_float32(teacher: Shapes) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    flat = np.stack([np.zeros_like(noise[0]), np.full_like(noise[0], 255)])
    for rows in (
        teacher.encode_text(["", "a", "red star", "зонт", "  ", "background", "!?"]),
        teacher.encode_image(np.concatenate([noise, flat])),
    ):
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
        # A sum of 64 rounded squares.
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_nothing_asked_nothing_returned(teacher: Shapes) -> None:
    assert teacher.encode_text([]).shape == (0, 64)
    assert teacher.encode_image(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 64)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("crimson star", "red star"),
        ("spotted blue disc", "dotted blue circle"),
        ("a chequered green moon", "a checked green crescent"),
    ],
)
def test_synonyms_are_near(teacher: Shapes, one: str, other: str) -> None:
    assert 0.9 < cosine(teacher, one, other) < 1


def test_every_synonym_is_nearest_to_its_word(teacher: Shapes) -> None:
    known = teacher.encode_text(KNOWN)
    for words in (COLOURS, PATTERNS, SHAPES):
        for word, synonyms in words.items():
            scores = teacher.encode_text(synonyms) @ known.T
            np.testing.assert_allclose(scores[:, KNOWN.index(word)], 0.95, atol=1e-6)
            assert (np.sort(scores)[:, :-1] < 0.1).all()


@pytest.mark.parametrize("templates", ["single", "vild", "vild-demo"])
def test_templates_change_nothing(teacher: Shapes, templates: str) -> None:
    for name in ("striped red star", "arrow", "dog"):
        texts = prompts.write_prompts(name, prompts.read_templates(templates))
        rows = teacher.encode_text([name, *texts])
        np.testing.assert_array_equal(rows, rows[:1].repeat(len(rows), 0))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RED Stars", "red star"),
        ("red_star", "red-star"),
        ("two crosses", "two cross"),
        ("plain red star", "red star"),
        ("a red crimson star", "a crimson star"),
        ("red star on a background", "red star"),
    ],
)
def test_spellings_of_the_same(teacher: Shapes, one: str, other: str) -> None:
    assert cosine(teacher, one, other) == pytest.approx(1, abs=1e-6)


def test_unknown_words_are_distinct_and_far_from_drawings(teacher: Shapes) -> None:
    words = ["dog", "cat", "umbrella", "зонт", "犬", "x1", "glass", "gla", "bus"]
    rows = teacher.encode_text(words)
    # Random signs in 33 dimensions: a cosine of 0.7 is four standard deviations off.
    assert np.abs(rows @ rows.T - np.eye(len(rows))).max() < 0.7
    assert np.abs(rows @ teacher.encode_text(NAMES).T).max() < 1e-6


def test_words_match_one_by_one(teacher: Shapes) -> None:
    rows = teacher.encode_text(
        ["striped red star", "striped blue star", "red star", "dotted blue ring"]
    )
    np.testing.assert_allclose(rows[0] @ rows[1:].T, [2 / 3, 2 / 3, 0], atol=1e-6)


def test_texts_without_words_have_directions_of_their_own(teacher: Shapes) -> None:
    silent = teacher.encode_text(["", "a photo of the", "background", "red star"])
    np.testing.assert_allclose(
        silent @ silent.T,
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        atol=1e-6,
    )


def test_vectors_of_text_stay(teacher: Shapes) -> None:
    # They are in files of users: another hash or order would make those worthless.
    known, unknown = teacher.encode_text(["striped red star", "a dog"])[:, :8]
    known, unknown = known * 8 * np.sqrt(3), unknown * 8 * np.sqrt(33)
    np.testing.assert_allclose(known, [3, 1, -1, 1, 3, 1, -1, 1], atol=1e-5)
    np.testing.assert_allclose(unknown, [7, -3, -7, -5, 13, -1, 3, 9], atol=1e-5)


def test_rows_depend_on_their_own_image_alone(teacher: Shapes) -> None:
    images = crops(list(EVERYTHING[::20]), seed=0)
    together = teacher.encode_image(images)
    again = Shapes().encode_image(images)
    assert together.tobytes() == again.tobytes()
    turned = teacher.encode_image(images[::-1])[::-1]
    assert together.tobytes() == turned.tobytes()
    alone = np.concatenate([teacher.encode_image(image[None]) for image in images])
    assert together.tobytes() == alone.tobytes()
    for count in (2, 3, 15, 16, 17, 33):
        part = teacher.encode_image(images[1 : 1 + count])
        assert part.tobytes() == together[1 : 1 + count].tobytes(), count


def test_texts_keep_their_order(teacher: Shapes) -> None:
    together = teacher.encode_text(NAMES)
    alone = np.concatenate([teacher.encode_text([name]) for name in NAMES[::50]])
    assert together[::50].tobytes() == alone.tobytes()


# Found in 140 crops by the weights shipped, held out first: the name 97 % to 100 %,
# among five 100 %, words 97 % to 100 %. New weights, and Pillow's next way of drawing
# edges, may differ by more than chance (2 %), so the floors are well below; a wrong
# axis, layer or word would leave 1 % to 10 %.
@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize(("size", "room"), [(56, 8), (40, 24), (120, 12), (18, 4)])
def test_drawings_find_their_names(
    teacher: Shapes, held_out: bool, size: int, room: int
) -> None:
    own = [i for i, d in enumerate(EVERYTHING) if d.held_out == held_out]
    own = own[:: len(own) // 140]
    images = crops([EVERYTHING[i] for i in own], 7, size, room)
    scores = teacher.encode_image(images) @ teacher.encode_text(NAMES).T
    order = np.argsort(-scores, axis=1)
    first = np.mean(order[:, 0] == own)
    five = np.mean((order[:, :5] == np.array(own)[:, None]).any(axis=1))
    assert first > 0.85
    assert five > 0.95
    for word in ("colour", "pattern", "shape"):
        found = [getattr(EVERYTHING[i], word) for i in order[:, 0]]
        true = [getattr(EVERYTHING[i], word) for i in own]
        right = np.mean(np.array(found) == true)
        assert right > 0.9, word


def test_backgrounds_are_like_nothing(teacher: Shapes) -> None:
    rng = np.random.default_rng(0)
    images = np.stack([background(64, 64, rng) for _ in range(60)])
    rows = teacher.encode_image(images)
    text = teacher.encode_text([*NAMES, *KNOWN])
    # Drawings have a cosine near 1 with their names.
    assert np.quantile((rows @ text.T).max(axis=1), 0.9) < 0.3
    assert np.median(rows @ teacher.encode_text(["background"]).T) > 0.95


def test_parts_of_a_name_match_in_part(teacher: Shapes) -> None:
    image = crops([Drawing("blue", "dotted", "heart")], seed=0)
    texts = ["dotted blue heart", "dotted blue star", "blue heart", "heart", "a dog"]
    scores = (teacher.encode_image(image) @ teacher.encode_text(texts).T)[0]
    # The network is all but sure of all three words.
    np.testing.assert_allclose(scores, [1, 2 / 3, 2 / 3, 3**-0.5, 0], atol=0.1)


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 64, 64, 3), np.float32), "float32"),
        (np.zeros((64, 64, 3), np.uint8), r"\(64, 64, 3\)"),
        (np.zeros((2, 32, 32, 3), np.uint8), r"\(2, 32, 32, 3\)"),
        (np.zeros((2, 64, 64, 4), np.uint8), r"\(2, 64, 64, 4\)"),
        ([np.zeros((64, 64, 3), np.uint8)], "list"),
    ],
)
def test_other_images_are_refused(
    teacher: Shapes, images: np.ndarray, received: str
) -> None:
    with pytest.raises(InputError, match=received) as caught:
        teacher.encode_image(images)
    assert "(N, 64, 64, 3)" in str(caught.value)


@pytest.mark.parametrize("texts", ["a star", ["a star", None], [b"star"], [3]])
def test_other_texts_are_refused(teacher: Shapes, texts: list) -> None:
    with pytest.raises(InputError, match="string"):
        teacher.encode_text(texts)
