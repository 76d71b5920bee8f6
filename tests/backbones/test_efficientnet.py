import numpy as np
import pytest

import vild
from vild.backbones.efficientnet import efficientnet
from vild.backends import keras
from vild.errors import CheckpointError, InputError
from vild.layers import set_batch_norm
from vild.runs.initial import load_initial


def small_model():
    return vild.ViLD(
        efficientnet("B0"),
        ensemble=False,
        dim=8,
        channels=8,
        region_convs=1,
        region_units=(8,),
        mask_convs=1,
    )


def named(network):
    """The variables of a network by the names of their layers and their own."""
    return {
        tuple(v.path.split("/")[-2:]): keras.ops.convert_to_numpy(v.value)
        for v in network.weights
        # A scaling that is not learned, and whose name has a number.
        if not v.path.startswith(("normalization", "maps/normalization"))
    }


@pytest.mark.once
def test_it_begins_with_the_weights_that_are_published_for_it(tmp_path):
    whole = keras.applications.EfficientNetB0(include_top=False, weights=None)
    path = tmp_path / "notop.weights.h5"
    whole.save_weights(path)
    model = small_model()
    load_initial(model, str(path))
    published, found = named(whole), named(model.backbone)
    assert len(found) > 200
    for name, value in found.items():
        np.testing.assert_array_equal(value, published[name], err_msg=str(name))
    own = tmp_path / "own.weights.h5"
    model.backbone.save_weights(own)
    other = small_model()
    load_initial(other, str(own))
    for name, value in named(other.backbone).items():
        np.testing.assert_array_equal(value, found[name], err_msg=str(name))
    keras.applications.MobileNetV2(weights=None, include_top=False).save_weights(path)
    with pytest.raises(CheckpointError, match="of another backbone"):
        load_initial(model, str(path))


def test_its_batch_norms_cannot_be_shared():
    with pytest.raises(InputError, match="share_batch_norm"):
        set_batch_norm(efficientnet("B0"), 0.9, shared=True)


def test_an_efficientnet_is_a_backbone_that_is_saved_and_loaded(tmp_path):
    model = small_model()
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    maps = model.backbone(image)
    assert [m.shape[1] for m in maps] == [16, 8, 4, 2]
    words = vild.Vocabulary(["a", "b"], np.eye(2, 8))
    vild.Detector(model, words, image_size=64, num_proposals=10).save(tmp_path / "d")
    again = vild.load_pretrained(tmp_path / "d").model.backbone(image)
    for one, other in zip(maps, again, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(one),
            keras.ops.convert_to_numpy(other),
            atol=1e-5,
        )
