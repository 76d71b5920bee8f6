import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vild.data.drawn import (
    COLOURS,
    PATTERNS,
    SHAPES,
    Drawing,
    draw,
    drawings,
    paste,
)
from vild.data.drawn_background import background
from vild.data.drawn_shapes import OUTLINES, outline
from vild.errors import InputError
from vild.names import check_classes

pytestmark = pytest.mark.numpy

EVERYTHING = drawings()
# No tone of a drawing, and no mixture of two, is this one.
SCREEN = (0, 255, 0)


def screen(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), SCREEN, np.uint8)


def widened(mask: np.ndarray) -> np.ndarray:
    """A mask and the pixels that touch it."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    moved = [
        padded[y : y + height, x : x + width]
        for y, x in itertools.product(range(3), range(3))
    ]
    return np.any(moved, axis=0)


def test_names_compose_and_are_unique() -> None:
    assert Drawing("red", "striped", "star").name == "striped red star"
    assert Drawing("red", "plain", "star").name == "red star"
    assert len(EVERYTHING) == len(COLOURS) * len(PATTERNS) * len(SHAPES) == 700
    names = [name for drawing in EVERYTHING for name in drawing.synonyms]
    assert len(set(names)) == len(names)
    assert check_classes([list(drawing.synonyms) for drawing in EVERYTHING])


def test_synonyms_begin_with_the_name() -> None:
    drawing = Drawing("red", "dotted", "circle")
    assert drawing.synonyms == (
        "dotted red circle",
        "dotted crimson circle",
        "spotted red circle",
        "dotted red disc",
        "dotted red disk",
    )


@pytest.mark.parametrize(
    "words",
    [("mauve", "plain", "star"), ("red", "wavy", "star"), ("red", "plain", "dog")],
)
def test_unknown_words_are_told(words: tuple[str, str, str]) -> None:
    wrong = next(word for word in words if word in ("mauve", "wavy", "dog"))
    with pytest.raises(InputError, match=f"'{wrong}': choose from"):
        Drawing(*words)


def test_a_fifth_is_held_out_and_every_pair_of_words_is_not() -> None:
    fitted = [drawing for drawing in EVERYTHING if not drawing.held_out]
    assert len(fitted) == 560
    words = [(d.colour, d.pattern, d.shape) for d in fitted]
    axes = COLOURS, PATTERNS, SHAPES
    for a, b in itertools.combinations(range(3), 2):
        assert len({(w[a], w[b]) for w in words}) == len(axes[a]) * len(axes[b])


def test_every_shape_has_an_outline() -> None:
    assert OUTLINES.keys() == SHAPES.keys()
    for shape in SHAPES:
        for ring in outline(shape):
            assert ring.ndim == 2
            assert ring.shape[1] == 2
            assert np.isfinite(ring).all()


@pytest.mark.parametrize("size", [16, (40, 24), 200])
def test_the_same_seed_draws_the_same(size: int | tuple[int, int]) -> None:
    for drawing in EVERYTHING[::97]:
        first, again, other = (
            draw(drawing, size, np.random.default_rng(seed)) for seed in (3, 3, 4)
        )
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
        assert first[0].shape != other[0].shape or np.abs(first[0] - other[0]).max() > 0


def test_without_a_seed_drawings_are_upright() -> None:
    _, mask = draw(Drawing("red", "plain", "heart"), (64, 64))
    # Pixels on the edge may fall either way.
    assert (mask != mask[:, ::-1]).mean() < 0.02
    _, mask = draw(Drawing("red", "plain", "circle"), 64)
    assert mask.mean() == pytest.approx(np.pi / 4, abs=0.01)


@pytest.mark.parametrize("size", [(30, 50), (50, 30), (33, 33)])
def test_a_size_of_two_sides_is_filled(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        patch, mask = draw(Drawing("blue", "checked", shape), size, rng)
        assert patch.shape == (*size, 4)
        # Sharp tips cover less than half of their last pixels.
        assert mask.any(axis=0).sum() >= 0.85 * size[1]
        assert mask.any(axis=1).sum() >= 0.85 * size[0]


@pytest.mark.parametrize("size", [3, 0, -5, (3, 40), (40, 3)])
def test_too_small_is_told(size: int | tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 4 pixels"):
        draw(EVERYTHING[0], size)


def test_the_colour_fills_most_of_a_drawing() -> None:
    rng = np.random.default_rng(0)
    for pattern in PATTERNS:
        shares = []
        for shape in SHAPES:
            patch, mask = draw(Drawing("red", pattern, shape), 64, rng)
            red, green = patch[..., 0].astype(int), patch[..., 1].astype(int)
            shares.append((red > green + 60)[mask].mean())
        assert np.mean(shares) > 0.45, pattern
        assert min(shares) > 0.2, pattern


def test_the_mask_is_where_pixels_change() -> None:
    rng = np.random.default_rng(0)
    for drawing in EVERYTHING[::23]:
        canvas = screen(80, 90)
        mask = paste(canvas, drawing, (44, 37), 60, rng)
        changed = (canvas != SCREEN).any(axis=2)
        assert changed[mask].all(), drawing.name
        assert not changed[~widened(mask)].any(), drawing.name


def test_what_is_pasted_later_lies_above() -> None:
    canvas = screen(60, 60)
    under = paste(canvas, Drawing("red", "plain", "circle"), (25, 30), 40)
    over = paste(canvas, Drawing("blue", "plain", "square"), (40, 30), 30)
    assert (under & over).any()
    red, blue = canvas[..., 0].astype(int), canvas[..., 2].astype(int)
    assert (blue > red)[over].all()
    assert (red > blue)[under & ~widened(over)].all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(EVERYTHING) - 1),
    st.integers(4, 200),
    st.tuples(st.integers(1, 250), st.integers(1, 250)),
    st.tuples(st.integers(-300, 300), st.integers(-300, 300)),
    st.integers(0, 99),
)
def test_pasting_stays_on_the_canvas(
    index: int,
    size: int,
    shape: tuple[int, int],
    centre: tuple[int, int],
    seed: int,
) -> None:
    canvas = screen(*shape)
    mask = paste(canvas, EVERYTHING[index], centre, size, np.random.default_rng(seed))
    assert canvas.shape == (*shape, 3)
    assert mask.shape == shape
    assert mask.dtype == bool
    y, x = np.ogrid[: shape[0], : shape[1]]
    far = np.maximum(np.abs(x - centre[0]), np.abs(y - centre[1])) > size / 2 + 1
    assert not (far & (canvas != SCREEN).any(axis=2)).any()
    assert not (far & mask).any()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(EVERYTHING) - 1),
    st.one_of(st.integers(4, 200), st.tuples(st.integers(4, 90), st.integers(4, 90))),
    st.integers(0, 99),
)
def test_a_drawing_is_never_empty(
    index: int, size: int | tuple[int, int], seed: int
) -> None:
    patch, mask = draw(EVERYTHING[index], size, np.random.default_rng(seed))
    assert patch.dtype == np.uint8
    assert patch.shape == (*mask.shape, 4)
    assert mask.any()
    assert max(mask.shape) == np.max(size)


def test_backgrounds_are_muted() -> None:
    rng = np.random.default_rng(0)
    for clutter in (0.0, 1.0, 3.0):
        picture = background(120, 160, rng, clutter)
        assert picture.shape == (120, 160, 3)
        assert picture.dtype == np.uint8
        high, low = picture.max(axis=2).astype(int), picture.min(axis=2)
        # Beyond what grain adds, neither vivid nor as dark as black drawings.
        assert np.quantile((high - low) / high, 0.99) < 0.5
        assert np.quantile(high, 0.01) > 50


def test_backgrounds_follow_their_seed() -> None:
    first, again, other = (
        background(30, 40, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_smallest_background() -> None:
    assert background(1, 1, np.random.default_rng(0)).shape == (1, 1, 3)
