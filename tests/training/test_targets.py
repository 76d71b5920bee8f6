"""Labels, samples and targets against those of the released code."""

import numpy as np
import pytest

from vild.backends import keras
from vild.ops.anchors import level_anchors
from vild.training import anchor_targets, region_targets
from vild.training.sampling import choose, marks

ops = keras.ops
tensor, array = ops.convert_to_tensor, ops.convert_to_numpy


def noise(*shape, seed=0):
    return tensor(np.random.default_rng(seed).random(shape, "float32"))


def anchors(height=128, width=192):
    levels = range(2, 7)
    return np.concatenate(
        [level_anchors(height >> level, width >> level, level) for level in levels]
    )


@pytest.mark.parametrize("case", ["mixed", "ties", "none", "one"])
def test_anchors_are_matched_as_released(reference, case):
    with np.load(reference / "train_anchor_labels.npz") as golden:
        boxes = golden[f"{case}__gt_boxes"]
        match, targets = golden[f"{case}__match"], golden[f"{case}__box_targets"]
        scores = golden[f"{case}__score_targets_identity_shuffle"]
    padded = np.full((2, 30, 4), -1, "float32")
    padded[0, : len(boxes)] = boxes
    padded = tensor(padded)
    found = anchor_targets.match_anchors(tensor(anchors()), padded)
    np.testing.assert_array_equal(array(found)[0], match)
    assert (array(found)[1] == -1).all(), "an image without objects"
    ours = anchor_targets.anchor_boxes(tensor(anchors()), padded, found)
    np.testing.assert_allclose(array(ours)[0], targets, rtol=1e-5, atol=1e-5)
    # Who is sampled is random; how many is not.
    sampled = array(anchor_targets.anchor_scores(found, noise(2, len(match))))
    for value in (1, 0):
        assert (sampled[0] == value).sum() == (scores == value).sum()
    assert (match[sampled[0] == 1] >= 0).all()
    assert (match[sampled[0] == 0] == -1).all()
    assert (sampled[1] == 0).sum() == 256


def test_the_order_of_many_objects_decides_ties():
    """Objects in several chunks: the first of equal ones has the anchor."""
    grid = anchors(64, 64)
    box = np.array([20, 20, 50, 50], "float32")
    boxes = np.full((1, 50, 4), -1, "float32")
    boxes[0, [3, 25, 44]] = box
    match = array(anchor_targets.match_anchors(tensor(grid), tensor(boxes)))
    assert set(match[0]) - {-1, -2} == {3}


@pytest.fixture(scope="module")
def golden(reference):
    with np.load(reference / "train_roi_sampling.npz") as arrays:
        return dict(arrays)


def test_regions_are_matched_as_released(golden):
    proposals, boxes = golden["proposals"], golden["gt_boxes"]
    regions = np.concatenate([proposals, boxes], axis=1)
    matched, classes, objects, ious = map(
        array,
        region_targets.match_regions(
            *map(tensor, (regions, boxes, golden["gt_classes"]))
        ),
    )
    np.testing.assert_array_equal(matched, golden["matched_gt_boxes"])
    np.testing.assert_array_equal(classes, golden["matched_gt_classes"])
    np.testing.assert_array_equal(objects, golden["matched_gt_indices"])
    np.testing.assert_allclose(ious, golden["matched_iou"], rtol=1e-5, atol=1e-6)


def test_samples_have_the_released_make_up(golden):
    sample = region_targets.sample_regions(
        *(tensor(golden[key]) for key in ("proposals", "gt_boxes", "gt_classes")),
        noise(2, 210),
        samples=64,
        positives=16,
    )
    regions = np.concatenate([golden["proposals"], golden["gt_boxes"]], axis=1)
    boxes, matched, classes, objects = map(array, sample)
    theirs = golden["sampled_classes"]
    np.testing.assert_array_equal((classes > 0).sum(axis=1), (theirs > 0).sum(axis=1))
    for image in range(2):
        rows = [np.flatnonzero((regions[image] == box).all(1)) for box in boxes[image]]
        firsts = [row[0] for row in rows]
        assert firsts == sorted(firsts), "in order of candidates"
        on = golden["matched_iou"][image] > 0.5
        for row, box, label, index in zip(
            rows, matched[image], classes[image], objects[image], strict=True
        ):
            assert (label > 0) == on[row[0]]
            if label:
                assert index == golden["matched_gt_indices"][image][row[0]]
                np.testing.assert_array_equal(box, golden["gt_boxes"][image][index])
                assert label == golden["gt_classes"][image][index]


def released_sample(golden):
    keys = ("sampled_rois", "sampled_gt_boxes", "sampled_classes", "sampled_gt_indices")
    boxes, matched, classes, objects = (tensor(golden[key]) for key in keys)
    return region_targets.RegionSample(
        boxes, matched, ops.cast(classes, "int32"), ops.cast(objects, "int32")
    )


def test_box_targets_are_the_released_ones(golden):
    ours = region_targets.region_boxes(released_sample(golden))
    np.testing.assert_allclose(array(ours), golden["box_targets"], rtol=1e-5, atol=1e-5)


# A sample position of about 100 is rounded by up to 4e-6 at each of its steps, and a
# target changes by that between a pixel that is on and one that is off.
POSITION = 3e-5


def test_mask_targets_are_the_released_ones(golden):
    sample = region_targets.sample_masks(released_sample(golden), 16)
    np.testing.assert_array_equal(array(sample.boxes), golden["mask_rois"])
    np.testing.assert_array_equal(array(sample.classes), golden["mask_classes"])
    ours = array(region_targets.mask_targets(tensor(golden["gt_masks"]), sample))
    # Background that fills up has no mask that counts.
    on = golden["mask_classes"] > 0
    assert on.sum() > 10
    np.testing.assert_allclose(
        ours[on], golden["mask_targets"][on], rtol=0, atol=POSITION
    )


def test_regions_of_all_kinds_crop_masks_as_released(reference):
    with np.load(reference / "train_mask_targets.npz") as arrays:
        golden = dict(arrays)
    number = golden["rois"].shape[1]
    rows = tensor(np.arange(number, dtype="int32")[None])
    sample = region_targets.RegionSample(
        tensor(golden["rois"]), tensor(golden["gt_boxes"]), rows + 1, rows
    )
    ours = array(region_targets.mask_targets(tensor(golden["gt_masks"]), sample))
    np.testing.assert_allclose(ours, golden["targets"], rtol=0, atol=POSITION)


def sample_of(boxes, objects, samples=8, positives=2, seed=0):
    regions = np.array([boxes], "float32")
    truth = np.full((1, 2, 4), -1, "float32")
    truth[0, : len(objects)] = np.reshape(objects, (-1, 4))
    labels = tensor(np.array([[5, 7]], "int32"))
    return region_targets.sample_regions(
        tensor(regions),
        tensor(truth),
        labels,
        noise(1, len(boxes) + 2, seed=seed),
        samples,
        positives,
    )


def test_an_image_without_objects_is_all_background():
    boxes = [(i, i, i + 10, i + 10) for i in range(20)]
    sample = sample_of(boxes, [])
    assert (array(sample.classes) == 0).all()
    # Nothing is a candidate, so the first ones fill up.
    np.testing.assert_array_equal(array(sample.boxes)[0], boxes[:8])


def test_objects_fill_up_where_background_is_short():
    near = [(0, 0, 10, 10 + i / 10) for i in range(10)]
    sample = sample_of(near, [(0, 0, 10, 10)])
    assert (array(sample.classes) == 5).sum() == 7, "one row of padding is background"
    assert (array(sample.classes) == 0).sum() == 1


def test_half_covered_is_neither_object_nor_background():
    half = [(0, 0, 10, 5)] * 6  # an overlap of exactly 0.5
    away = [(50, 50, 60, 60 + i) for i in range(7)]
    for seed in range(5):
        sample = sample_of([*half, *away], [(0, 0, 10, 10)], samples=8, seed=seed)
        # One object, which is a candidate itself, and background there is.
        assert (array(sample.classes) == 5).sum() == 1
        assert not (array(sample.boxes)[0] == half[0]).all(axis=1).any()


def test_every_candidate_is_as_likely():
    candidates = tensor(np.arange(20)[None] % 2 == 0)
    total = np.zeros(20)
    for seed in range(300):
        total += array(choose(candidates, noise(1, 20, seed=seed), 3))[0]
    assert (total[1::2] == 0).all()
    assert total.sum() == 900
    # Nine standard deviations of 300 draws with chance 0.3.
    assert np.abs(total[::2] - 90).max() < 9 * np.sqrt(300 * 0.3 * 0.7)


def test_choosing_takes_all_there_are():
    few = tensor(np.array([[True, False, True, False]] * 2))
    numbers = tensor(np.array([1, 4], "int32"))
    chosen = array(choose(few, noise(2, 4), 4, numbers))
    assert chosen.sum(axis=1).tolist() == [1, 2]
    assert not chosen[:, [1, 3]].any()
    empty = marks(
        tensor(np.zeros((1, 2), "int32")), tensor(np.zeros((1, 2), bool)), size=3
    )
    assert not array(empty).any()
