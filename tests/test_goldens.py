"""Whole photos through the public API, beside what the released detector gave."""

import numpy as np
import pytest
from golden import Golden, golden_model, text_matrix

import vild
from vild.data.preprocessing import preprocess

CASES = [
    ("infer_r50_ensemble_photo_a", True, 60),
    ("infer_r50_ensemble_photo_b", True, 60),
    ("infer_r50_vild_photo_a", False, 60),
    ("infer_r50_vild_photo_b", False, 60),
    ("infer_r50_ensemble_1203_photo_c", True, 1203),
]
VARIANTS = ["nms", "nonms", "nms_rare", "nonms_rare"]


def load(reference, name, ensemble, classes):
    golden = Golden(reference / f"{name}.npz")
    meta = golden.json("meta_json")
    rows = text_matrix(reference, classes).T
    names = [f"class {i + 1}" for i in range(classes)]
    detector = vild.Detector(
        golden_model(reference, 50, ensemble, classes),
        vild.Vocabulary(names, rows, base=True),
        image_size=tuple(meta["image_size"]),
        pre_nms_proposals=meta["rpn_pre_nms_top_k"],
        num_proposals=meta["rpn_post_nms_top_k"],
        pre_nms_detections=meta["pre_nms_num_boxes"],
        max_detections=meta["max_detections"],
    )
    return golden, detector, detector.encode(golden["image_uint8"])


@pytest.fixture(scope="module", params=CASES, ids=[case[0] for case in CASES])
def case(request, reference):
    return load(reference, *request.param)


def matched(ours, theirs, box_tolerance, score_tolerance):
    """The share of their detections with a counterpart among ours."""
    (boxes, scores, classes), (their_boxes, their_scores, their_classes) = ours, theirs
    hits = 0
    free = np.ones(len(boxes), bool)
    for box, score, name in zip(their_boxes, their_scores, their_classes, strict=True):
        fits = free & (classes == name) & (np.abs(scores - score) < score_tolerance)
        fits &= (np.abs(boxes - box) < box_tolerance).all(axis=1)
        if fits.any():
            free[np.argmax(fits)] = False
            hits += 1
    return hits / max(len(their_boxes), 1)


def test_preprocessing_of_whole_photos(case):
    golden, detector, _ = case
    pixels, info = preprocess(golden["image_uint8"], detector.settings.image_size)
    if "model_input" in golden:
        np.testing.assert_allclose(pixels, golden["model_input"][0], atol=1e-5)
    np.testing.assert_allclose(info, golden["image_info"][0], rtol=1e-6)


def test_regions(case):
    golden, _, regions = case
    zeros = np.zeros(len(regions), int)
    share = matched(
        (regions.model_boxes, regions.objectness, zeros),
        (golden["raw_boxes"][0], golden["roi_scores"][0], zeros),
        0.1,
        1e-3,
    )
    assert share >= 0.95


def test_embeddings_in_order(case):
    """Proposals with near-equal scores may swap; the others keep their place."""
    golden, _, regions = case
    same = np.abs(regions.model_boxes - golden["raw_boxes"][0]).max(1)[:60] < 0.1
    assert same.mean() >= 0.9
    for ours, name in (
        (regions.text_embeddings, "feat_outputs_first60"),
        (regions.image_embeddings, "distill_feat_outputs_first60"),
        (regions.embeddings, "object_feat_first60"),
    ):
        if name in golden:
            theirs = golden[name][0]
            np.testing.assert_allclose(ours[:60][same], theirs[same], atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_detections(case, variant):
    golden, detector, regions = case
    if f"{variant}__num_detections" not in golden:
        pytest.skip("the release was not recorded with a rare mask for this photo")
    base = True
    if variant.endswith("rare"):
        base = (np.arange(len(detector.own_vocabulary)) + 1) % 4 != 0
    result = regions.detect(
        base=base, nms_iou=None if variant.startswith("nonms") else 0.5
    )
    count = int(golden[f"{variant}__num_detections"][0])
    assert len(result) == count
    scale = golden["image_info"][0, 2]
    theirs = golden[f"{variant}__detection_boxes"][0, :count] / np.tile(scale, 2)
    theirs = theirs[:, [1, 0, 3, 2]]
    their_scores = golden[f"{variant}__detection_scores"][0, :count]
    their_classes = golden[f"{variant}__detection_classes"][0, :count].astype(int) - 1
    share = matched(
        (result.boxes, result.scores, result.class_ids),
        (theirs, their_scores, their_classes),
        0.5,
        0.01,
    )
    assert share >= 0.95

    if f"{variant}__raw_probs" in golden:
        scores = regions.scores(base=base)
        same = np.abs(regions.model_boxes - golden["raw_boxes"][0]).max(1) < 0.05
        error = np.abs(scores - golden[f"{variant}__raw_probs"][0])[same]
        # Fed with stored inputs, scores agree to 1e-5 (tests of the selection).
        # From the pixels on, a temperature of 100 magnifies float32's rounding, and
        # 1e-4 for every value is missed. The two bounds are not derived: they lie
        # just outside what was measured (99.4 % and 8.4e-4 at worst).
        assert (error < 1e-4).mean() > 0.99
        assert error.max() < 1e-3

    key = f"{variant}__detection_masks"
    key = key if key in golden else f"{key}_first20"
    if key in golden:
        crops = detector.mask_crops(regions, _region_of(result, regions))
        masks = golden[key][0]
        number = min(len(masks), count)
        same = (result.class_ids == their_classes)[:number]
        same &= (np.abs(result.boxes - theirs).max(1) < 0.05)[:number]
        assert same.mean() >= 0.9
        np.testing.assert_allclose(
            crops[:number][same], masks[:number][same], atol=2e-3
        )


def _region_of(result, regions):
    """Which region each detection is."""
    distance = np.abs(result.boxes[:, None] - regions.boxes[None]).max(-1)
    return distance.argmin(1)
