"""The teacher of the stickers: words by meaning, pictures by sight."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vild
from vild.data.stickers import concepts
from vild.errors import InputError
from vild.teachers.packed import packed_weights
from vild.teachers.stickers import StickersTeacher


@pytest.fixture(scope="module")
def teacher() -> StickersTeacher:
    return StickersTeacher()


def test_it_is_a_teacher_by_its_name(teacher: StickersTeacher) -> None:
    found = vild.teachers.get("stickers")
    assert isinstance(found, StickersTeacher)
    assert vild.teachers.check(found) is found
    assert found.fingerprint == teacher.fingerprint
    json_like = [type(value) for value in found.fingerprint.values()]
    assert set(json_like) <= {str, int}


def test_words_that_no_sticker_is_called_by_mean_something(teacher) -> None:
    names = [concept.name for concept in concepts()]
    space = teacher.encode_text(names)
    known = {name for concept in concepts() for name in concept.synonyms}
    asked = {
        "feline": "cat",
        "hound": "dog",
        "spectacles": "glasses",
        "rodent": "rat",
        "stallion": "horse",
        "motorcar": "car",
        "footwear": "running shoe",
        "stringed instrument played with a bow": "violin",
    }
    found = {}
    for text, right in asked.items():
        assert text not in known
        order = np.argsort(-(space @ teacher.encode_text([text])[0]))[:5]
        found[text] = [names[row] for row in order], right
    missed = [text for text, (near, right) in found.items() if right not in near]
    assert not missed, found


# The picture of the documentation shows these, each drawn four times: above by hands
# that the teacher has seen, below by one that it has not.
SHOWN = [
    "dog",
    "bicycle",
    "teapot",
    "owl",
    "guitar",
    "banana",
    "fire-engine",
    "snail",
    "hamburger",
    "cactus",
    "key",
    "penguin",
    "umbrella",
    "sailboat",
    "alarm-clock",
    "crab",
    "book",
    "violin",
    "carrot",
    "rocket",
    "sheep",
    "tent",
    "scissors",
    "mushroom",
]
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "stickers-hands.webp"


@pytest.mark.parametrize(("top", "wanted"), [(5, 21), (77, 15)], ids=["seen", "unseen"])
def test_pictures_are_named(teacher, top, wanted) -> None:
    whole = Image.open(PICTURE).convert("RGB")
    corners = [(156 * (n % 8) + 8, 166 * (n // 8) + top) for n in range(len(SHOWN))]
    crops = [
        whole.crop((x, y, x + 68, y + 68)).resize((48, 48), Image.Resampling.BOX)
        for x, y in corners
    ]
    rows = teacher.encode_image(np.stack([np.asarray(crop) for crop in crops]))
    texts = teacher.encode_text([name.replace("-", " ") for name in SHOWN])
    right = (rows @ texts.T).argmax(axis=1) == np.arange(len(SHOWN))
    # By chance it would be one; measured: 24 and 18. Three fewer are left to a teacher
    # that is fitted anew.
    assert right.sum() >= wanted


@pytest.mark.parametrize("bad", ["a cat", 3, ["cat", 3], [""], ["cat", "  "], None])
def test_texts_must_be_words(teacher, bad) -> None:
    with pytest.raises(InputError, match="received"):
        teacher.encode_text(bad)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((1, 48, 48, 3), np.float32),
        np.zeros((48, 48, 3), np.uint8),
        "photo.png",
    ],
)
def test_images_must_be_squares_of_its_size(teacher, bad) -> None:
    with pytest.raises(InputError, match=r"\(N, 48, 48, 3\) of uint8"):
        teacher.encode_image(bad)


def test_rows_are_unit_and_each_is_its_own_images(teacher) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 48, 48, 3), np.uint8)
    rows = teacher.encode_image(images)
    assert rows.shape == (300, 128)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    alone = teacher.encode_image(images[7:8])
    # Another shape takes another path through the matrix products.
    np.testing.assert_allclose(alone[0], rows[7], atol=1e-5)
    assert teacher.encode_image(images[:0]).shape == (0, 128)


def test_the_shipped_network_is_small() -> None:
    weights = packed_weights("sticker_images.npz")
    assert sum(array.nbytes for array in weights.values()) < 3_000_000
    assert all(array.dtype == np.float16 for array in weights.values())
