import numpy as np
import pytest
from golden import Golden
from hypothesis import given, settings
from hypothesis import strategies as st

from vild.backends import keras, kernels
from vild.ops.roi_crop import region_levels, roi_crop

ops = keras.ops


def reference_crop(features, first, box, size):
    """One crop, written out with loops in numpy."""
    y1, x1, y2, x2 = box.astype("float32")
    area = np.sqrt(np.float32(max((y2 - y1) * (x2 - x1), 0)))
    last = first + len(features) - 1
    level = first
    if area > 0:
        level = int(np.clip(np.floor(np.log2(area / 224)) + 4, first, last))
    feature, stride = features[level - first], 2.0**level
    rows, columns, channels = feature.shape
    crop = np.zeros((size, size, channels))
    for i in range(size):
        for j in range(size):
            y = y1 / stride + (i + 0.5) * (y2 - y1) / stride / size
            x = x1 / stride + (j + 0.5) * (x2 - x1) / stride / size
            top = int(np.clip(np.floor(y), 0, rows - 1))
            left = int(np.clip(np.floor(x), 0, columns - 1))
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            v, u = y - top, x - left
            crop[i, j] = (
                (1 - v) * (1 - u) * feature[top, left]
                + (1 - v) * u * feature[top, right]
                + v * (1 - u) * feature[bottom, left]
                + v * u * feature[bottom, right]
            )
    return crop


def pyramid(height, width, channels=3, batch=1, seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(batch, height >> i, width >> i, channels)).astype("float32")
        for i in range(5)
    ]


@pytest.mark.parametrize(("size", "name"), [(7, "crop7"), (14, "crop14_first16")])
def test_crops_equal_the_release(reference, size, name):
    golden = Golden(reference / "stage_roi_align.npz")
    features = [ops.convert_to_tensor(golden[f"P{level}"]) for level in range(2, 7)]
    expected = golden[name]
    boxes = ops.convert_to_tensor(golden["boxes"][:, : expected.shape[1]])
    run = kernels.compile(lambda maps, boxes: roi_crop(maps, 2, boxes, size), [])
    crops = ops.convert_to_numpy(run(features, boxes))
    # Boxes outside the map extrapolate, which magnifies rounding.
    np.testing.assert_allclose(crops, expected, atol=1e-3)


corners = st.lists(st.floats(-40, 700, width=32), min_size=4, max_size=4)


@settings(max_examples=30)
@given(st.lists(corners, min_size=3, max_size=3), st.sampled_from([2, 7]))
def test_crops_equal_written_out_loops(rows, size):
    features = pyramid(64, 128)
    boxes = np.array(rows, "float32")
    boxes = np.concatenate(
        [
            np.minimum(boxes[:, :2], boxes[:, 2:]),
            np.maximum(boxes[:, :2], boxes[:, 2:]),
        ],
        axis=1,
    )
    # A box whose size lies on the border of two levels may round either way.
    area = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    border = np.abs(np.log2(np.maximum(area, 1e-3) / 224) % 1 - 0.5) > 0.4999
    crops = roi_crop([ops.convert_to_tensor(f) for f in features], 2, boxes[None], size)
    for crop, box, skip in zip(
        ops.convert_to_numpy(crops)[0], boxes, border, strict=True
    ):
        if not skip:
            expected = reference_crop([f[0] for f in features], 2, box, size)
            np.testing.assert_allclose(crop, expected, rtol=1e-3, atol=1e-3)


def test_a_batch_is_cropped_image_by_image():
    features = pyramid(32, 32, batch=3)
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 90, (3, 6, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 40, (3, 6, 2))], -1)
    boxes = boxes.astype("float32")
    together = ops.convert_to_numpy(
        roi_crop(list(map(ops.convert_to_tensor, features)), 2, boxes, 7)
    )
    for i in range(3):
        alone = [ops.convert_to_tensor(f[i : i + 1]) for f in features]
        one = ops.convert_to_numpy(roi_crop(alone, 2, boxes[i : i + 1], 7))
        np.testing.assert_array_equal(together[i], one[0])


def test_levels_follow_the_size_of_the_box():
    sides = np.array([0, 10, 111, 113, 223, 225, 447, 449, 895, 897, 5000], "float32")
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], -1)[None]
    levels = ops.convert_to_numpy(region_levels(boxes, 2, 6))[0]
    np.testing.assert_array_equal(levels, [2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])


def test_small_images_can_use_all_levels():
    sides = np.array([10, 39, 41, 79, 81, 159, 161], "float32")
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], -1)[None]
    levels = ops.convert_to_numpy(region_levels(boxes, 2, 5, canonical=80.0))[0]
    np.testing.assert_array_equal(levels, [2, 2, 3, 3, 4, 4, 5])
    rng = np.random.default_rng(0)
    maps = [
        ops.convert_to_tensor(rng.normal(size=(1, n, n, 3)).astype("float32"))
        for n in (64, 32, 16)
    ]
    box = ops.convert_to_tensor(np.array([[[8, 8, 100, 100]]], "float32"))
    alone = roi_crop(maps[2:], 4, box, 7)
    fitted = roi_crop(maps, 2, box, 7, canonical=80.0)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (fitted, alone)))
    assert not np.allclose(
        *map(ops.convert_to_numpy, (roi_crop(maps, 2, box, 7), alone))
    )
