import functools

import numpy as np
import pytest
from golden import Golden, golden_model, text_matrix

from vild.backbones.resnet import resnet
from vild.backends import keras, kernels
from vild.model import ViLD
from vild.ops import scoring

ops = keras.ops


def assert_close(ours, expected, name=""):
    """The tolerance of the goldens; float64 agrees with them to 6e-6 of the max."""
    ours = ops.convert_to_numpy(ours)
    atol = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=atol, err_msg=name)


TINY = {
    "channels": 16,
    "region_convs": 1,
    "region_units": (32,),
    "dim": 12,
    "mask_convs": 1,
    "rpn_convs": 1,
    "proposals": (50, 20),
}


def tiny(**options):
    return ViLD(resnet(blocks=(1, 1, 1, 1), width=8), **{**TINY, **options})


@functools.cache
def compiled(model):
    return kernels.compile(lambda pixels: model(pixels), model.variables)


def images(batch, height, width, seed=0):
    pixels = np.random.default_rng(seed).normal(size=(batch, height, width, 3))
    return ops.convert_to_tensor(pixels.astype("float32"))


def test_backbone_pyramid_and_rpn_equal_the_release(reference):
    golden = Golden(reference / "stage_backbone_fpn_rpn.npz")
    model = golden_model(reference, 50, True, 60)

    def run(pixels):
        maps = model.backbone(pixels)
        features = model.fpn(maps)
        return maps, features, *model.rpn(features)

    run = kernels.compile(run, model.variables)
    maps, features, scores, deltas = run(ops.convert_to_tensor(golden["model_input"]))
    for level, value in zip(range(2, 6), maps, strict=True):
        assert_close(value, golden[f"C{level}"], f"C{level}")
    for i, level in enumerate(range(2, 7)):
        assert_close(features[i], golden[f"P{level}"], f"P{level}")
        assert_close(scores[i], golden[f"rpn_score_{level}"], f"scores {level}")
        assert_close(deltas[i], golden[f"rpn_box_{level}"], f"deltas {level}")


def test_stem_equals_the_release(reference):
    golden = Golden(reference / "stage_backbone_fpn_rpn.npz")
    backbone = golden_model(reference, 50, True, 60).backbone
    stem = keras.Model(
        backbone.input,
        [backbone.get_layer(name).output for name in ("stem_conv", "stem_pool")],
    )
    conv, pool = stem(ops.convert_to_tensor(golden["model_input"]))
    assert_close(ops.convert_to_numpy(conv)[..., ::8], golden["stem_conv_every8"])
    assert_close(pool, golden["stem_pool"])


def test_resnet152_equals_the_release(reference):
    golden = Golden(reference / "stage_backbone_r152.npz")
    model = golden_model(reference, 152, True, 60)
    run = kernels.compile(lambda x: model.backbone(x), model.variables)
    maps = run(ops.convert_to_tensor(golden["model_input"]))
    for value, name in zip(
        maps, ["C2_every8", "C3_every8", "C4_every4", "C5"], strict=True
    ):
        step = int(name[-1]) if "every" in name else 1
        assert_close(ops.convert_to_numpy(value)[..., ::step], golden[name], name)


@pytest.mark.parametrize("flavour", ["vild", "ensemble"])
def test_region_head_equals_the_release(reference, flavour):
    golden = Golden(reference / "stage_box_head.npz")
    model = golden_model(reference, 50, flavour == "ensemble", 60)
    outputs = model.region(ops.convert_to_tensor(golden["roi_features"]))
    rows = ops.convert_to_tensor(np.ascontiguousarray(text_matrix(reference, 60).T))
    valid = ops.ones((60,), "bool")
    expected = {
        "box_outputs": outputs["deltas"],
        "feat_outputs": outputs["text_embeddings"],
        "class_outputs": ops.transpose(
            scoring.text_logits(
                outputs["text_embeddings"], rows, model.region.background, valid
            ),
            (0, 2, 1),
        ),
    }
    if flavour == "ensemble":
        image = outputs["image_embeddings"]
        expected["distill_feat_outputs"] = image
        logits = scoring.image_logits(image, rows, valid)
        expected["distill_class_outputs"] = ops.transpose(logits, (0, 2, 1))
    for name, value in expected.items():
        assert_close(value, golden[f"{flavour}__{name}"], name)


def test_mask_head_equals_the_release(reference):
    golden = Golden(reference / "stage_mask_head.npz")
    model = golden_model(reference, 50, True, 60)
    logits = model.mask(ops.convert_to_tensor(golden["roi_features"]))
    assert_close(logits, golden["mask_logits"])


def test_any_input_size_in_multiples_of_64():
    model = tiny()
    for height, width in ((64, 128), (192, 64)):
        outputs = compiled(model)(images(1, height, width))
        assert tuple(outputs["features"][0].shape) == (1, height // 4, width // 4, 16)
        assert tuple(outputs["boxes"].shape) == (1, 20, 4)
        assert np.isfinite(ops.convert_to_numpy(outputs["text_embeddings"])).all()


@pytest.mark.parametrize("ensemble", [True, False])
def test_a_batch_is_encoded_image_by_image(ensemble):
    model = tiny(ensemble=ensemble)
    pixels = images(3, 64, 128)
    together = compiled(model)(pixels)
    assert ("image_embeddings" in together) == ensemble
    for i in range(3):
        alone = compiled(model)(pixels[i : i + 1])
        for name in ("boxes", "text_embeddings", "objectness"):
            np.testing.assert_allclose(
                ops.convert_to_numpy(together[name])[i],
                ops.convert_to_numpy(alone[name])[0],
                rtol=1e-4,
                atol=1e-4,
            )


def test_sizes_can_be_chosen():
    small = tiny(
        last_level=5, mask_convs=None, region_convs=0, region_units=(8, 8, 8), dim=5
    )
    outputs = compiled(small)(images(2, 64, 64))
    assert len(outputs["features"]) == 4
    assert outputs["text_embeddings"].shape[-1] == 5
    assert small.mask is None


def test_any_keras_pyramid_can_be_the_backbone():
    image = keras.Input((None, None, 3))
    x, maps = image, []
    for stride in (4, 2, 2, 2):
        x = keras.layers.Conv2D(
            6, 3, stride, padding="same", data_format="channels_last"
        )(x)
        maps.append(x)
    model = ViLD(keras.Model(image, maps), **TINY)
    outputs = compiled(model)(images(1, 128, 64))
    assert tuple(outputs["features"][0].shape) == (1, 32, 16, 16)


def test_a_subclassed_backbone_needs_only_to_know_its_shapes():
    class Pools(keras.Model):
        def call(self, x):
            pool = keras.ops.average_pool
            strides = (4, 8, 16, 32)
            return [pool(x, s, s, data_format="channels_last") for s in strides]

        def compute_output_shape(self, shape):
            batch, height, width, channels = shape
            return [
                (batch, height and height // s, width and width // s, channels)
                for s in (4, 8, 16, 32)
            ]

    outputs = compiled(ViLD(Pools(), **TINY))(images(1, 64, 64))
    assert tuple(outputs["boxes"].shape) == (1, 20, 4)


def test_config_rebuilds_the_model():
    model = tiny(dim=7)
    copy = ViLD.from_config(model.get_config())
    assert [v.path for v in copy.variables] == [v.path for v in model.variables]
    for new, old in zip(copy.variables, model.variables, strict=True):
        new.assign(old)
    pixels = images(1, 64, 64)
    np.testing.assert_allclose(
        ops.convert_to_numpy(compiled(copy)(pixels)["text_embeddings"]),
        ops.convert_to_numpy(compiled(model)(pixels)["text_embeddings"]),
        atol=1e-6,
    )


def test_a_pyramid_with_other_strides_is_refused():
    image = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(4, 3, 2, padding="same", data_format="channels_last")
    with pytest.raises(ValueError, match="4 maps at strides 4, 8, 16, 32"):
        ViLD(keras.Model(image, [conv(image)]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_computes_nearly_the_same(dtype):
    from vild.precision import with_dtype

    model = tiny()
    half = with_dtype(ViLD.from_config(model.get_config()), dtype)
    for new, old in zip(half.variables, model.variables, strict=True):
        new.assign(old)
    pixels = images(1, 64, 64)
    a, b = (
        kernels.compile(
            lambda x, m=m: m.embed(m.features(x), _boxes(), _shape()), m.variables
        )(pixels)
        for m in (model, half)
    )
    cosine = (
        ops.convert_to_numpy(a["text_embeddings"])
        * ops.convert_to_numpy(b["text_embeddings"])
    ).sum(-1)
    assert b["text_embeddings"].dtype == a["text_embeddings"].dtype
    # bfloat16 keeps 8 bits: a few tenths of a per cent a layer, over 20 layers.
    assert cosine.min() > 0.99


def _boxes():
    return ops.convert_to_tensor(
        np.array([[[5, 5, 40, 50], [0, 0, 63, 63]]], "float32")
    )


def _shape():
    return ops.convert_to_tensor(np.array([[64, 64]], "float32"))


def test_regions_are_cropped_by_the_canonical_size_of_the_model():
    released, small = tiny(), tiny(canonical_size=56)
    assert ViLD.from_config(small.get_config()).config["canonical_size"] == 56
    features = released.features(images(1, 128, 128))
    boxes = ops.convert_to_tensor(np.array([[[8, 8, 100, 100]]], "float32"))
    one, other = (
        ops.convert_to_numpy(model.crop(features, boxes, 7))
        for model in (released, small)
    )
    # Of level 4, where the release takes level 2.
    alone = ops.convert_to_numpy(released.crop(features[:1], boxes, 7))
    np.testing.assert_array_equal(one, alone)
    assert not np.allclose(one, other)
