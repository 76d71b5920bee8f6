import numpy as np
import pytest

import vild
from vild.backbones.image_pyramid import image_pyramid
from vild.backends import keras
from vild.errors import InputError
from vild.runs.initial import load_initial

SMALL = ((4, 2), (8, 2))


def maps_of(backbone, images):
    maps = backbone(keras.ops.convert_to_tensor(images), training=False)
    return [keras.ops.convert_to_numpy(m) for m in maps]


def make_model(**options):
    defaults = {
        "pyramid": False,
        "dim": 8,
        "channels": 8,
        "last_level": 5,
        "region_crop": 6,
        "region_convs": ((8, 1), (16, 2)),
        "region_units": (),
        "mask_convs": 1,
    }
    return vild.ViLD(image_pyramid(SMALL), **{**defaults, **options})


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype("float32")


def test_four_maps_at_the_strides_of_a_pyramid(images):
    shapes = [m.shape for m in maps_of(image_pyramid(SMALL), images)]
    assert shapes == [(1, 16, 24, 8), (1, 8, 12, 8), (1, 4, 6, 8), (1, 2, 3, 8)]


def test_what_is_twice_as_large_looks_the_same_one_map_higher(images):
    backbone = image_pyramid(SMALL)
    larger = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    small, large = maps_of(backbone, images), maps_of(backbone, larger)
    for one, other in zip(small, large[1:], strict=False):
        # Means of four equal pixels: rounding only.
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_its_convolutions_are_shared():
    # A kernel and four numbers of batch norm for each output.
    expected = 3 * 9 * 4 + 4 * 4 + 4 * 9 * 8 + 4 * 8
    assert image_pyramid(SMALL).count_params() == expected


def test_heads_read_its_maps_without_a_feature_pyramid(images):
    model = make_model()
    features = model.features(keras.ops.convert_to_tensor(images))
    for one, other in zip(features, maps_of(model.backbone, images), strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), other)
    boxes = keras.ops.convert_to_tensor(np.float32([[[8, 8, 40, 40]]]))
    assert model.crop_regions(features, boxes).shape == (1, 1, 6, 6, 8)
    # A stride of 2 leaves 3 x 3 cells of 16 numbers.
    assert model.region.text_projection.kernel.shape == (144, 8)


@pytest.mark.parametrize("options", [{"channels": 16}, {"last_level": 6}])
def test_maps_that_the_heads_cannot_read_are_refused(options):
    with pytest.raises(InputError, match="Without a pyramid"):
        make_model(**options)


def test_a_detector_begins_with_weights_of_another_and_is_saved(tmp_path):
    words = vild.Vocabulary(["cat", "dog"], np.eye(2, 8))
    settings = {"image_size": 96, "num_proposals": 20}
    detector = vild.Detector(make_model(), words, **settings)
    detector.save(tmp_path / "detector")
    photo = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    found = detector.detect(photo, score_threshold=0.0)
    again = vild.load_pretrained(tmp_path / "detector").detect(
        photo, score_threshold=0.0
    )
    np.testing.assert_allclose(again.boxes, found.boxes, atol=1e-3)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-5)
    started = make_model()
    load_initial(started, str(tmp_path / "detector"))
    for one, other in zip(started.variables, detector.model.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other)
        )
