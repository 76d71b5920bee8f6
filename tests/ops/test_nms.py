import functools

import numpy as np
import pytest
from golden import Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from written_out import greedy

from vild.backends import keras, kernels
from vild.ops.nms import nms

ops = keras.ops


def run_nms(boxes, threshold, limit, epsilon=0.0):
    boxes = ops.convert_to_tensor(np.asarray(boxes, "float32"))
    return map(ops.convert_to_numpy, compiled(threshold, limit, epsilon)(boxes))


@functools.cache
def compiled(threshold, limit, epsilon):
    return kernels.compile(lambda boxes: nms(boxes, threshold, limit, epsilon), [])


@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_suppression_equals_the_release(reference, threshold):
    golden = Golden(reference / "stage_nms.npz")
    boxes = golden["boxes"]
    kept, count = run_nms(boxes, threshold, 700)
    number = int(golden[f"greedy_num_iou{threshold}"])
    assert count[0] == number
    expected = golden[f"greedy_indices_iou{threshold}"][:number]
    np.testing.assert_array_equal(kept[0, :number], expected)
    assert (kept[0, number:] == -1).all()

    # The RPN's variant: epsilon in the union, zero boxes for padding.
    kept, count = run_nms(boxes, threshold, 700, 1e-8)
    padding = golden[f"tiled_scores_iou{threshold}"][0] < 0
    assert count[0] == (~padding).sum()
    found = boxes[0, kept[0, : count[0]]]
    np.testing.assert_array_equal(
        found, golden[f"tiled_boxes_iou{threshold}"][0, ~padding]
    )


whole = st.integers(0, 12)
some_boxes = st.lists(st.tuples(whole, whole, whole, whole), min_size=1, max_size=40)


@settings(max_examples=60)
@given(some_boxes, st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_equals_written_out_loops(rows, threshold):
    # Padded to one shape, so that the program is compiled for few shapes only.
    boxes = np.zeros((40, 4), "float32")
    rows = np.array(rows, "float32")
    boxes[: len(rows), :2] = np.minimum(rows[:, :2], rows[:, 2:])
    boxes[: len(rows), 2:] = np.maximum(rows[:, :2], rows[:, 2:])
    kept, count = run_nms(boxes[None], threshold, 12)
    assert kept[0, : count[0]].tolist() == greedy(boxes, threshold, 12)


def test_a_batch_is_suppressed_image_by_image():
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 60, (3, 700, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 30, (3, 700, 2))], -1)
    boxes = boxes.astype("float32")
    kept, count = run_nms(boxes, 0.4, 300)
    for i in range(3):
        assert kept[i, : count[i]].tolist() == greedy(boxes[i], 0.4, 300)


def test_a_long_chain_of_suppressions_is_settled():
    # Each box overlaps the next one only: every second one stays.
    start = np.arange(600) * 6.0
    boxes = np.stack([0 * start, start, 0 * start + 10, start + 10], -1)
    kept, count = run_nms(boxes[None], 0.2, 600)
    assert kept[0, : count[0]].tolist() == list(range(0, 600, 2))


def test_an_overlap_of_exactly_the_threshold_suppresses():
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 5]]], "float32")  # overlap 1/2
    kept, count = run_nms(boxes, 0.5, 2)
    assert (count[0], kept[0, 0]) == (1, 0)
