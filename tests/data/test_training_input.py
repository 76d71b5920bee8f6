import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vild.data.box_masks import crop_mask
from vild.data.input_settings import InputSettings
from vild.data.labelled import LabelledExamples
from vild.data.preprocessing import place, resize_crop_pad
from vild.data.released_records import Records
from vild.data.stacking import stack
from vild.data.training_input import Draws, move_boxes, training_input

pytestmark = pytest.mark.numpy


def test_geometry_is_the_released_one(reference):
    with np.load(reference / "train_geometry.npz") as golden:
        for i, case in enumerate(golden["cases"]):
            height, width, *size = (int(n) for n in case[:4])
            size = tuple(size)
            scaled, offset = place((height, width), size, case[4], tuple(case[5:7]))
            image = golden[f"image_{i}"]
            # The golden was fed with values from 0 to 1, not normalised.
            pixels, info = resize_crop_pad(
                image, scaled, size, offset, mean=(0, 0, 0), std=(1, 1, 1)
            )
            np.testing.assert_allclose(
                pixels[..., :1], golden[f"output_{i}"], atol=1e-5
            )
            np.testing.assert_allclose(info, golden[f"info_{i}"], rtol=1e-6)
            boxes = golden[f"boxes_{i}"][:, [1, 0, 3, 2]]
            np.testing.assert_allclose(
                move_boxes(boxes, info), golden[f"boxes_out_{i}"], atol=1e-3
            )


def scene(height=60, width=90, count=4, seed=0):
    """Rectangles as objects, and the same boxes for distillation."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    corner = rng.integers(0, [width - 20, height - 20], (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(8, 20, (count, 2))], 1)
    masks = np.zeros((count, height, width), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return image, boxes.astype("float32"), np.arange(1, count + 1), masks


def padded(*scene, size=(64, 64), distill=True, **settings):
    settings = InputSettings(size, distill=distill, **settings)
    *arrays, draws = scene[:5]
    found = training_input(*arrays, draws, settings, *scene[5:])
    batch = stack([found], settings)
    return {key: value[0] for key, value in batch.items()} | {"image_info": found.info}


def shown(draws, size=(64, 64)):
    image, boxes, classes, masks = scene()
    features = np.arange(8, dtype="float32").reshape(4, 2)
    return padded(
        image,
        boxes,
        classes,
        masks,
        draws,
        boxes,
        features,
        size=size,
        max_objects=6,
        max_rois=5,
    )


def test_shapes_and_padding():
    found = shown(Draws())
    assert found["images"].shape == (64, 64, 3)
    assert found["boxes"].shape == (6, 4)
    assert found["masks"].shape == (6, 112, 112)
    assert found["classes"].tolist() == [1, 2, 3, 4, -1, -1]
    assert (found["boxes"][4:] == -1).all()
    assert (found["roi_boxes"][4] == -1).all()
    np.testing.assert_array_equal(found["roi_boxes"][:4], found["boxes"][:4])
    assert found["roi_features"][:4].ravel().tolist() == list(range(8))
    assert found["image_shape"].tolist() == [64, 64]


@given(
    st.booleans(),
    st.floats(0.1, 2.0),
    st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
)
def test_masks_fill_their_boxes_wherever_they_go(flip, scale, offset):
    found = shown(Draws(flip, scale, offset))
    for box, label, mask in zip(
        found["boxes"], found["classes"], found["masks"], strict=True
    ):
        if label < 0:
            continue
        assert (box[2:] > box[:2]).all()
        assert (box >= 0).all()
        assert (box <= 63).all()
        # A rectangle's mask is its box, but for the grid that is shrunk by a pixel.
        if (box[2:] - box[:2]).min() > 6 * scale:
            assert mask[20:90, 20:90].mean() > 0.95


def test_a_flip_mirrors_everything_together():
    plain, flipped = shown(Draws()), shown(Draws(flip=True))
    image_width = round(90 * plain["image_info"][2, 1])
    for name in ("boxes", "roi_boxes"):
        box, mirror = plain[name][0], flipped[name][0]
        np.testing.assert_allclose(mirror[[0, 2]], box[[0, 2]])
        np.testing.assert_allclose(
            mirror[[1, 3]], np.minimum(image_width - box[[3, 1]], 63), atol=1e-3
        )
    twice = shown(Draws(flip=True))
    np.testing.assert_array_equal(twice["images"], flipped["images"])
    assert not np.array_equal(plain["images"], flipped["images"])


def test_what_is_cropped_away_is_left_out_of_objects_only():
    image, _, _, _ = scene()
    boxes = np.array([[0, 0, 10, 10], [70, 40, 88, 58]], "float32")
    masks = np.ones((2, 60, 90), bool)
    found = padded(
        image,
        boxes,
        np.array([3, 4]),
        masks,
        Draws(scale=2.0, offset=(0.99, 0.99)),
        boxes,
        np.ones((2, 2), "float32"),
        max_objects=3,
        max_rois=2,
    )
    assert found["classes"].tolist() == [4, -1, -1]
    flat = found["roi_boxes"][0]
    assert ((flat[2:] - flat[:2]) == 0).any(), "it stays, without an area"


def test_too_many_objects_are_cut_from_the_end():
    image, boxes, classes, masks = scene(count=4)
    found = padded(image, boxes, classes, masks, Draws(), distill=False, max_objects=2)
    assert found["classes"].tolist() == [1, 2]
    assert "roi_boxes" not in found


def test_an_image_without_objects():
    image = scene()[0]
    nothing = np.zeros((0, 4)), np.zeros(0), []
    found = padded(image, *nothing, Draws(), distill=False, max_objects=2)
    assert not found["masks"].any()
    assert (found["classes"] == -1).all()


def test_outside_the_mask_is_nothing():
    mask = np.ones((10, 10), bool)
    crop = crop_mask(mask, np.array([-5, 0, 5, 10], "float32"))
    assert crop[:50].max() == 0
    assert crop[-40:].min() == 1


@pytest.mark.parametrize("seed", range(2))
def test_draws_are_reproducible(seed):
    draws = Draws.random(np.random.default_rng(seed))
    assert draws == Draws.random(np.random.default_rng(seed))
    assert 0.1 <= draws.scale <= 2.0


@pytest.mark.parametrize("case", ["plain", "flip_large", "small"])
def test_the_released_parser(reference, case):
    golden = np.load(reference / "train_parser.npz")
    draws = json.loads(str(golden["settings_json"]))["draws"][case]
    records = Records(reference / "train_parser_example.tfrecord")
    labels = {category.id: category.id for category in records.categories}
    example = LabelledExamples(records, labels, masks=True, regions=True)[0]
    found = padded(
        example.image,
        example.boxes,
        example.classes,
        example.masks,
        Draws(
            (draws["first_flip_draw"] or 0) > 0.5,
            draws["scale"] or 1.0,
            tuple(draws["offset_fraction"] or (0, 0)),
        ),
        example.roi_boxes,
        example.roi_features,
        size=(128, 128),
        max_objects=8,
        max_rois=7,
    )
    # JPEG decoders differ by a few of 256 levels.
    np.testing.assert_allclose(found["images"], golden[f"{case}__image"], atol=0.15)
    np.testing.assert_allclose(found["image_info"], golden[f"{case}__image_info"])
    for ours, theirs in [("boxes", "gt_boxes"), ("roi_boxes", "roi_boxes")]:
        expected = golden[f"{case}__{theirs}"]
        np.testing.assert_allclose(found[ours], expected, atol=1e-3)
    np.testing.assert_array_equal(found["classes"], golden[f"{case}__gt_classes"])
    real = found["classes"] > 0
    # 2e-3: half precision, and float32 at the edge of a pixel.
    np.testing.assert_allclose(
        found["masks"][real], golden[f"{case}__gt_masks"][real], atol=2e-3
    )
    np.testing.assert_array_equal(
        found["roi_features"][:5], golden[f"{case}__gt_visual_feat"][:5]
    )
