import numpy as np

import vild
from vild.backbones.efficientnet import efficientnet
from vild.backends import keras


def test_an_efficientnet_is_a_backbone_that_is_saved_and_loaded(tmp_path):
    model = vild.ViLD(
        efficientnet("B0"),
        ensemble=False,
        dim=8,
        channels=8,
        region_convs=1,
        region_units=(8,),
        mask_convs=1,
    )
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
