import numpy as np
import pytest
from golden import Golden

from vild.backends import keras, kernels
from vild.ops.proposals import generate_proposals

ops = keras.ops


@pytest.mark.parametrize("row", range(3))
def test_proposals_equal_the_release(reference, row):
    golden = Golden(reference / "stage_roi_generation.npz")
    pre_nms, total, iou = golden.json("settings_json")["rows"][row]
    run = kernels.compile(
        lambda scores, deltas, shape: generate_proposals(
            scores, deltas, range(2, 7), shape, pre_nms, total, iou
        ),
        [],
    )
    scores = [ops.convert_to_tensor(golden[f"rpn_score_{n}"]) for n in range(2, 7)]
    deltas = [ops.convert_to_tensor(golden[f"rpn_box_{n}"]) for n in range(2, 7)]
    shape = ops.convert_to_tensor(golden["image_shape"].astype("float32"))
    rois, roi_scores = map(ops.convert_to_numpy, run(scores, deltas, shape))
    np.testing.assert_allclose(roi_scores, golden[f"roi_scores_{row}"], atol=1e-5)
    np.testing.assert_allclose(rois, golden[f"rois_{row}"], atol=1e-2)


def test_where_too_few_boxes_survive_zero_boxes_follow():
    # One strong anchor position; all deltas push the other boxes off the image.
    scores = [np.zeros((1, 2, 2, 3), "float32")]
    deltas = np.zeros((1, 2, 2, 12), "float32")
    deltas[..., 0::4] = -100.0  # up, beyond the top: clipped to y = 0
    deltas[..., 1::4] = -100.0  # left, beyond the edge: clipped to x = 0
    scores[0][0, 1, 1, 0] = 3.0
    deltas[0, 1, 1, :4] = 0.0
    rois, roi_scores = generate_proposals(
        list(map(ops.convert_to_tensor, scores)),
        [ops.convert_to_tensor(deltas)],
        [4],
        np.array([[32, 32]], "float32"),
        12,
        5,
    )
    rois, roi_scores = (
        ops.convert_to_numpy(rois)[0],
        ops.convert_to_numpy(roi_scores)[0],
    )
    assert roi_scores[0] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)
    np.testing.assert_array_equal(rois[0], [0, 0, 31, 31])
    np.testing.assert_array_equal(rois[1:], 0)
    np.testing.assert_array_equal(roi_scores[1:], -1)


def test_equal_scores_keep_the_order_of_anchors():
    """Saturated logits give equal probabilities; the lower index goes first."""
    scores = np.full((1, 4, 4, 3), 40.0, "float32")
    deltas = np.zeros((1, 4, 4, 12), "float32")
    shape = np.array([[512, 512]], "float32")
    arguments = ([ops.convert_to_tensor(scores)], [ops.convert_to_tensor(deltas)], [6])
    few, _ = generate_proposals(*arguments, shape, 7, 48)
    many, _ = generate_proposals(*arguments, shape, 48, 48)
    few, many = ops.convert_to_numpy(few)[0], ops.convert_to_numpy(many)[0]
    survivors = few[few.any(-1)]
    np.testing.assert_array_equal(survivors, many[: len(survivors)])
