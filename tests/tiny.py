"""A detector that is small, random and quick; its answers mean nothing."""

import numpy as np

import vild
from vild.backbones.resnet import resnet

NAMES = [
    "cat",
    ["sofa", "couch"],
    "traffic_light",
    "bow_(weapon)",
    "red scooter",
    "dog",
]
DIM = 16


def tiny_model(seed=0, **options):
    """Random but lively weights: every unit has a spread of values."""
    config = {
        "channels": 16,
        "region_convs": 1,
        "region_units": (32,),
        "dim": DIM,
        "mask_convs": 1,
        "rpn_convs": 1,
        **options,
    }
    model = vild.ViLD(resnet(blocks=(1, 1, 1, 1), width=8), **config)
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind == "kernel" or kind == "background":
            fan_in = np.prod(variable.shape[:-1])
            value = rng.normal(size=variable.shape) * np.sqrt(2 / fan_in)
        elif kind in ("gamma", "moving_variance"):
            value = rng.uniform(0.8, 1.2, variable.shape)
        else:
            value = rng.normal(size=variable.shape) * 0.1
        variable.assign(value.astype("float32"))
    return model


def tiny_detector(seed=0, model=None, **options):
    settings = {"image_size": 128, "num_proposals": 40, "max_detections": 30}
    rows = np.random.default_rng(seed + 1).normal(size=(len(NAMES), DIM))
    base = [True, True, False, False, True, True]
    words = vild.Vocabulary(NAMES, rows, base)
    model = model or tiny_model(seed)
    return vild.Detector(model, words, **{**settings, **options})


def photo(height=96, width=128, seed=0):
    """Noise with a few coloured rectangles."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 80, (height, width, 3), dtype=np.uint8)
    for _ in range(4):
        y, x = rng.integers(0, height - 8), rng.integers(0, width - 8)
        image[y : y + height // 3, x : x + width // 3] = rng.integers(100, 255, 3)
    return image
