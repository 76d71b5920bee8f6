import functools

import numpy as np
import pytest
from golden import Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from written_out import best_of_every_class

from vild.backends import keras, kernels
from vild.ops import boxes as box_ops
from vild.ops import scoring, selection

ops = keras.ops
CASES = ["vild", "ensemble", "ensemble_rare", "ensemble_thr"]


def run_select(boxes, scores, number, **options):
    run = compiled(number, *options.items())
    return map(
        ops.convert_to_numpy, run(ops.convert_to_tensor(boxes), class_major(scores))
    )


def class_major(scores):
    """(B, N, K) -> (B, K, N)."""
    return ops.convert_to_tensor(np.ascontiguousarray(scores.transpose(0, 2, 1)))


@functools.cache
def compiled(number, *options):
    def run(boxes, scores):
        values, regions, classes = selection.candidates(scores, number)
        kept, count = selection.select(boxes, values, regions, classes, **dict(options))
        return values, regions, classes, kept, count

    return kernels.compile(run, [])


@pytest.mark.parametrize("case", CASES)
def test_post_processing_equals_the_release(reference, case):
    golden = Golden(reference / "stage_postprocess.npz")
    rows = {row[0]: row[1:] for row in golden.json("settings_json")["rows"]}
    threshold, limit, per_class, iou = rows[case]
    base = np.ones(20, bool)
    if case == "ensemble_rare":
        base = golden["rare_mask"][1:] > 0.5
    image = None
    if case != "vild":
        image = class_major(golden["distill_class_outputs"])
    text = class_major(golden["class_outputs"])
    products, exponent = scoring.score_products(
        text, image, ops.convert_to_tensor(base)
    )
    scores = ops.convert_to_numpy(products**exponent).transpose(0, 2, 1)
    np.testing.assert_allclose(scores, golden[f"{case}__raw_probs"], atol=1e-5)

    boxes = box_ops.decode(
        golden["box_outputs"], golden["rois"], box_ops.REGION_WEIGHTS
    )
    boxes = ops.convert_to_numpy(box_ops.clip(boxes, golden["image_shape"][:, 0]))
    np.testing.assert_allclose(boxes, golden[f"{case}__raw_boxes"][:, :, 0], atol=1e-2)

    values, regions, classes, kept, count = run_select(
        boxes,
        scores,
        150 * 20,
        threshold=threshold,
        iou=iou,
        per_class=per_class,
        limit=limit,
    )
    np.testing.assert_array_equal(count, golden[f"{case}__num_detections"])
    for b in range(2):
        chosen = kept[b, : count[b]]
        expected = golden[f"{case}__detection_scores"][b, : count[b]]
        np.testing.assert_allclose(values[b, chosen], expected, atol=1e-5)
        # Neighbours whose scores differ by less than rounding may swap.
        ties = np.abs(np.diff(expected, prepend=2)) < 1e-5
        ties |= np.abs(np.diff(expected, append=-2)) < 1e-5
        found = boxes[b, regions[b, chosen]]
        expected = golden[f"{case}__detection_boxes"][b, : count[b]]
        np.testing.assert_allclose(found[~ties], expected[~ties], atol=1e-2)
        expected = golden[f"{case}__detection_classes"][b, : count[b]]
        np.testing.assert_array_equal(
            classes[b, chosen][~ties] + 1, expected[~ties].astype(int)
        )


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.0, 30), (0.3, 30), (0.0, 6)]),
    st.booleans(),
)
def test_selection_equals_suppression_per_class(seed, case, ties):
    threshold, per_class = case
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 30, (30, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 20, (30, 2))], 1)
    boxes = boxes.astype("float32")
    scores = rng.random((30, 9)).astype("float32")
    if ties:
        scores = np.round(scores, 1)
    options = {
        "threshold": threshold,
        "iou": 0.5,
        "per_class": per_class,
        "limit": 25,
    }
    _, regions, classes, kept, count = run_select(
        boxes[None], scores[None], 30 * 9, **options
    )
    chosen = kept[0, : count[0]]
    found = list(zip(regions[0, chosen], classes[0, chosen], strict=True))
    expected = best_of_every_class(boxes, scores, threshold, 0.5, per_class, 25)
    assert [(int(r), int(k)) for r, k in found] == expected


def test_without_suppression_each_region_has_its_best_class():
    rng = np.random.default_rng(0)
    scores = rng.random((2, 40, 7)).astype("float32")
    outputs = selection.best_classes(class_major(scores), 0.9, 10)
    values, regions, classes, count = map(ops.convert_to_numpy, outputs)
    for b in range(2):
        best = scores[b].max(1)
        order = np.argsort(-best, kind="stable")[:10]
        np.testing.assert_array_equal(regions[b], order)
        np.testing.assert_array_equal(classes[b], scores[b].argmax(1)[order])
        np.testing.assert_array_equal(values[b], best[order])
        assert count[b] == (best[order] > 0.9).sum()


def test_one_candidate_has_a_rank():
    ranks = selection.rank_in_class(ops.convert_to_tensor(np.array([[7]], "int32")))
    assert ops.convert_to_numpy(ranks).tolist() == [[0]]
