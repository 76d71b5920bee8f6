import numpy as np
import pytest
from golden import Golden
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vild.backends import keras
from vild.ops import boxes as box_ops

to_numpy = keras.ops.convert_to_numpy

# Float32 rounding on coordinates of up to 2000 pixels.
CLOSE = {"rtol": 1e-5, "atol": 1e-4}


def valid_boxes(number):
    """(number, 4) boxes y1 x1 y2 x2 with sides of 1 to 300 pixels."""
    corner = arrays("float32", (number, 2), elements=st.integers(0, 500))
    size = arrays("float32", (number, 2), elements=st.integers(1, 300))
    return st.builds(lambda a, b: np.concatenate([a, a + b], 1), corner, size)


def overlaps(a, b, epsilon=0.0):
    a, b = map(keras.ops.convert_to_tensor, (a, b))
    return to_numpy(box_ops.overlap(a, b, epsilon))


@pytest.fixture(scope="module")
def golden(reference):
    return Golden(reference / "stage_box_utils.npz")


def test_coding_equals_the_release(golden):
    a, b, codes = golden["a"], golden["b"], golden["codes"]
    weights = box_ops.REGION_WEIGHTS
    np.testing.assert_allclose(
        to_numpy(box_ops.encode(b, a)), golden["encoded"], **CLOSE
    )
    np.testing.assert_allclose(
        to_numpy(box_ops.encode(b, a, weights)), golden["encoded_w"], **CLOSE
    )
    np.testing.assert_allclose(
        to_numpy(box_ops.decode(codes, a)), golden["decoded"], **CLOSE
    )
    np.testing.assert_allclose(
        to_numpy(box_ops.decode(codes, a, weights)), golden["decoded_w"], **CLOSE
    )


def test_clip_equals_the_release(golden):
    shape = np.array([[128, 192]], "float32")
    clipped = to_numpy(
        box_ops.clip(keras.ops.convert_to_tensor(golden["a"][None]), shape)
    )
    np.testing.assert_allclose(clipped[0], golden["clipped"], **CLOSE)


def test_overlap_equals_the_release(golden):
    real = golden["gt"][:-3]  # the last three only pad, and are the sampler's case
    overlap = overlaps(golden["a"][None], real[None], 1e-8)
    np.testing.assert_allclose(overlap[0], golden["iou"][:, :-3], **CLOSE)


@given(valid_boxes(7), valid_boxes(7))
def test_decode_undoes_encode(boxes, anchors):
    for weights in ((1.0, 1.0, 1.0, 1.0), box_ops.REGION_WEIGHTS):
        codes = box_ops.encode(boxes, anchors, weights)
        # Beyond this growth the upper clamp of the decoder sets in.
        grown = (boxes[:, 2:] - boxes[:, :2] + 1) / (
            anchors[:, 2:] - anchors[:, :2] + 1
        )
        same = (grown < 62).all(axis=1)
        decoded = to_numpy(box_ops.decode(codes, anchors, weights))
        np.testing.assert_allclose(decoded[same], boxes[same], rtol=1e-4, atol=1e-2)


@given(valid_boxes(5), valid_boxes(4))
def test_overlap_is_symmetric_and_counts_pixels(a, b):
    overlap = overlaps(a[None], b[None])[0]
    back = overlaps(b[None], a[None])[0]
    np.testing.assert_array_equal(overlap, back.T)
    # Boxes have whole corners, so the overlap can be counted on a pixel grid.
    grid = np.zeros((9, 800, 800), bool)
    for canvas, box in zip(grid, np.concatenate([a, b]).astype(int), strict=True):
        canvas[box[0] : box[2], box[1] : box[3]] = True
    for i in range(5):
        for j in range(4):
            union = (grid[i] | grid[5 + j]).sum()
            expected = (grid[i] & grid[5 + j]).sum() / union
            assert overlap[i, j] == pytest.approx(expected, abs=1e-6)


def test_an_empty_box_overlaps_nothing_not_even_itself():
    boxes = np.array([[[5, 5, 5, 9], [0, 0, 10, 10]]], "float32")
    np.testing.assert_array_equal(overlaps(boxes, boxes)[0], [[0, 0], [0, 1]])
