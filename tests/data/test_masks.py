from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vild.data.masks import LazyMasks, paste_masks, paste_runs
from vild.data.rle import encode_rle
from vild.errors import InputError

pytestmark = pytest.mark.numpy


def test_released_pasting(reference: Path) -> None:
    golden = np.load(reference / "stage_mask_paste.npz")
    boxes = golden["boxes_yxyx"][:, [1, 0, 3, 2]]
    pasted = paste_masks(golden["masks"], boxes, tuple(golden["image_size"]))
    assert pasted.dtype == bool
    np.testing.assert_array_equal(pasted, golden["pasted"].astype(bool))


@settings(max_examples=80, deadline=None)
@given(
    st.integers(20, 120),
    st.floats(1 / 8, 8),
    st.tuples(*[st.floats(-0.5, 1.5)] * 2),
    st.tuples(*[st.floats(0.0, 1.5)] * 2),
)
def test_a_full_mask_covers_its_box(
    side: int, aspect: float, start: tuple[float, float], extent: tuple[float, float]
) -> None:
    height, width = round(side / aspect**0.5) + 1, round(side * aspect**0.5) + 1
    x1, y1 = start[0] * width, start[1] * height
    x2, y2 = x1 + extent[0] * width, y1 + extent[1] * height
    full = np.ones((1, 28, 28), np.float32)
    box = np.array([[x1, y1, x2, y2]], np.float32)
    mask = paste_masks(full, box, (height, width))[0]
    rows, columns = np.mgrid[:height, :width]
    # The released rule truncates and adds one pixel, so the edge may move by two.
    around = (columns > x1 - 2 - (x2 - x1) / 28) & (columns < x2 + 2 + (x2 - x1) / 28)
    around &= (rows > y1 - 2 - (y2 - y1) / 28) & (rows < y2 + 2 + (y2 - y1) / 28)
    within = (columns > x1 + 2) & (columns < x2 - 2) & (rows > y1 + 2) & (rows < y2 - 2)
    assert not (mask & ~around).any()
    assert mask[within].all()


@given(st.integers(0, 2**32 - 1))
def test_pasted_runs_are_those_of_the_pasted_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 40)), int(rng.integers(1, 40))
    crops = rng.random((6, 7, 7), np.float32).round(1)
    low = rng.uniform(-30, 50, (6, 2))
    boxes = np.concatenate([low, low + rng.uniform(-2, 60, (6, 2))], 1)
    boxes = boxes.astype(np.float32)
    expected = [encode_rle(mask) for mask in paste_masks(crops, boxes, size)]
    assert paste_runs(crops, boxes, size) == expected
    assert LazyMasks(crops, boxes, size).runs() == expected


def test_a_huge_box_costs_no_more_than_its_photo() -> None:
    boxes = np.array([[-1e9, -1e9, 1e9, 1e9], [-3e38, 0, 3e38, 5]], np.float32)
    pasted = paste_masks(np.ones((2, 28, 28), np.float32), boxes, (20, 30))
    assert pasted[0].all()


@pytest.mark.parametrize(
    "box",
    [
        [np.nan, 0, 5, 5],
        [0, 0, np.inf, 5],
        [50, 50, 60, 60],
        [-60, -60, -50, -50],
        [9, 9, 3, 3],
    ],
)
def test_boxes_without_pixels_give_empty_masks(box: list[float]) -> None:
    full = np.ones((1, 28, 28), np.float32)
    assert not paste_masks(full, np.array([box], np.float32), (20, 30)).any()


def test_half_a_mask_fills_half_the_box() -> None:
    crop = np.zeros((1, 28, 28), np.float32)
    crop[0, :, 14:] = 1
    mask = paste_masks(crop, np.array([[10, 10, 50, 30]], np.float32), (40, 60))[0]
    assert mask[12:28, 32:48].all()
    assert not mask[:, :28].any()


def test_no_masks() -> None:
    empty = paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), (5, 6))
    assert empty.shape == (0, 5, 6)


def test_pasting_needs_a_box_for_each_mask() -> None:
    with pytest.raises(InputError, match="one box for each mask"):
        paste_masks(np.zeros((2, 28, 28)), np.zeros((1, 4)), (5, 6))


def test_lazy_masks_keep_a_part() -> None:
    rng = np.random.default_rng(3)
    crops = rng.random((5, 28, 28)).astype(np.float32)
    corners = rng.uniform(0, 20, (5, 2))
    boxes = np.concatenate([corners, corners + 15], axis=1).astype(np.float32)
    lazy = LazyMasks(crops, boxes, (30, 40))
    whole = lazy()
    for index in (np.array([3, 0]), slice(1, 3), np.array([], np.intp)):
        np.testing.assert_array_equal(lazy[index](), whole[index])
