"""Small models of open_clip with random weights; their answers mean nothing."""

import copy
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

INSTALLED = importlib.util.find_spec("open_clip") is not None
"""Whether to go on; importing it is left to vild, which helps torchvision along."""

TINY = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": 32,
        "layers": 2,
        "width": 64,
        "head_width": 32,
        "patch_size": 16,
    },
    "text_cfg": {
        "context_length": 20,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 2,
    },
}


def add_config(folder, name, **changes):
    """Makes a variant of the tiny model known to open_clip."""
    from vild.teachers.torchvision_ops import import_open_clip

    config = copy.deepcopy(TINY)
    for key, value in changes.items():
        where = config
        *path, last = key.split("__")
        for part in path:
            where = where[part]
        where[last] = value
    (folder / f"{name}.json").write_text(json.dumps(config))
    import_open_clip().add_model_config(folder / f"{name}.json")


def random_weights(model, seed=0):
    """A state dict with more life than open_clip's initial weights have."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith(".bias") and tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=generator)
        elif tensor.dim() > 1:
            # Activations in the range where GELU and QuickGELU differ.
            tensor.normal_(0, 2 / tensor.shape[-1] ** 0.5, generator=generator)
    return state


def own_rows(open_clip, name, path, texts, images, **options):
    """What open_clip itself makes of texts and images, with its own transforms."""
    import torch
    from PIL import Image

    made = open_clip.create_model_and_transforms(name, pretrained=str(path), **options)
    model, transform = made[0].eval(), made[2]
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(name)(texts)
        text = model.encode_text(tokens, normalize=True)
        pixels = torch.stack([transform(Image.fromarray(each)) for each in images])
        image = model.encode_image(pixels, normalize=True)
    return text.numpy(), image.numpy()


def photos(side, count=5, seed=0):
    """Photos of a few coloured rectangles."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, side, side, 3))
    for image in images:
        for _ in range(3):
            y, x = rng.integers(0, side // 2, 2)
            image[y : y + side // 2, x : x + side // 3] = rng.integers(60, 256, 3)
    return images.astype("uint8")


def assert_rows_equal(ours, theirs, atol=1e-5):
    """Equal within float32's rounding; far from each other, or it means nothing."""
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
    assert len(ours) < 2 or (ours @ ours.T).min() < 0.999


needs_open_clip = pytest.mark.skipif(not INSTALLED, reason="open_clip is not installed")


def in_a_new_python(program, **environment):
    """What a program prints that runs with nothing imported yet."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
