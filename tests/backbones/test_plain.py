import numpy as np
import pytest

import vild
from vild.backbones.plain import plain
from vild.backends import keras
from vild.runs.initial import load_initial

SMALL = ((4, 4), (6, 6), (8,), (10, 10))


def maps_of(backbone, images):
    maps = backbone(keras.ops.convert_to_tensor(images), training=False)
    return [keras.ops.convert_to_numpy(m) for m in maps]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype("float32")


def test_four_maps_at_the_strides_of_a_pyramid(images):
    shapes = [m.shape for m in maps_of(plain(SMALL), images)]
    assert shapes == [(1, 16, 24, 6), (1, 8, 12, 8), (1, 4, 6, 10), (1, 2, 3, 10)]


def test_what_moves_by_a_stride_moves_in_the_maps(images):
    """Away from the borders, and wherever they are padded."""
    backbone = plain(SMALL)
    moved = np.roll(images, (16, 16), axis=(1, 2))
    for stride, one, other in zip(
        (4, 8, 16), maps_of(backbone, images), maps_of(backbone, moved), strict=False
    ):
        by = 16 // stride
        edge = 32 // stride
        middle = one[:, edge : -edge - by or None, edge : -edge - by]
        there = other[:, edge + by : -edge or None, edge + by : -edge]
        np.testing.assert_allclose(there, middle, atol=1e-5)


def test_a_detector_begins_with_its_weights_and_is_saved(tmp_path):
    def model():
        return vild.ViLD(
            plain(SMALL),
            ensemble=True,
            dim=8,
            channels=8,
            last_level=5,
            region_convs=1,
            region_units=(8,),
            mask_convs=1,
        )

    path = tmp_path / "trunk.weights.h5"
    trunk = plain(SMALL)
    trunk.save_weights(path)
    started = model()
    load_initial(started, str(path))
    for one, other in zip(trunk.variables, started.backbone.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other)
        )
    words = vild.Vocabulary(["cat", "dog"], np.eye(2, 8))
    detector = vild.Detector(started, words, image_size=96, num_proposals=20)
    detector.save(tmp_path / "detector")
    photo = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    found = detector.detect(photo, score_threshold=0.0)
    again = vild.load_pretrained(tmp_path / "detector").detect(photo)
    np.testing.assert_allclose(again.boxes, found.boxes, atol=1e-3)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-5)
