"""Weights of a ResNet from a local file, under the names that people publish.

Three ways to name them are understood: those of our variables
(`group1_block1_a_conv/kernel`), of the released checkpoints
(`resnet50/conv2d_2/kernel`), and of torchvision (`layer1.0.conv1.weight`), whose
ResNets have the same blocks. Files are `.npz` or `.safetensors`; nothing is unpickled.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vild.checkpoints.released import released_names
from vild.errors import CheckpointError

_LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_BRANCH = {"a": 1, "b": 2, "c": 3}


def read_backbone(
    path: Path, shapes: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """Reads a backbone's weights.

    Args:
        path: an `.npz` or `.safetensors`; what it holds besides is ignored.
        shapes: path of each of the backbone's variables -> its shape.

    Returns:
        Path of each variable -> float32 array of that shape.

    Raises:
        CheckpointError: if the file cannot be read, or lacks a variable.
    """
    arrays = _read(path)
    released = _released(list(shapes))
    found: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        value = arrays.get(name, arrays.get(released.get(name, "")))
        if value is None:
            value = arrays.get(torchvision_name(name))
            if value is not None and value.ndim == 4:
                value = value.transpose(2, 3, 1, 0)  # (out, in, h, w) to ours
        if value is not None and value.shape == tuple(shape):
            found[name] = value.astype("float32")
    missing = [name for name in shapes if name not in found]
    if missing:
        raise CheckpointError(
            f"{path} lacks {len(missing)} of the backbone's {len(shapes)} variables, "
            f"or has them in another shape, e.g. {missing[0]}: it is of another "
            "backbone, or names things in a way that is not known."
        )
    return found


def torchvision_name(path: str) -> str:
    """What torchvision calls a variable of our ResNet.

    Args:
        path: e.g. `group1_block1_a_conv/kernel`.

    Returns:
        Its name; empty if there is none.

    Example:
        >>> torchvision_name("group2_block1_project_bn/gamma")
        'layer2.0.downsample.1.weight'
    """
    layer, _, leaf = path.rpartition("/")
    match = re.fullmatch(
        r"(stem|group(\d)_block(\d+)_(a|b|c|project))_(conv|bn)", layer
    )
    if match is None or leaf not in _LEAVES:
        return ""
    end = _LEAVES[leaf]
    kind = match[5]
    if match[1] == "stem":
        return f"{kind}1.{end}"
    block = f"layer{match[2]}.{int(match[3]) - 1}"
    if match[4] == "project":
        return f"{block}.downsample.{0 if kind == 'conv' else 1}.{end}"
    return f"{block}.{kind}{_BRANCH[match[4]]}.{end}"


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".safetensors":
        try:
            from safetensors.numpy import load_file
        except ImportError as error:
            raise CheckpointError(
                f"Reading {path} takes a package: pip install safetensors."
            ) from error
        try:
            return dict(load_file(path))
        except Exception as error:  # its own type, and those of the system
            raise CheckpointError(f"{path} cannot be read ({error}).") from error
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name.removesuffix(":0"): stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} cannot be read ({error}).") from error


def _released(paths: list[str]) -> dict[str, str]:
    """Our names -> released names, if the backbone is built like the released ones."""
    number = sum(path.endswith("_conv/kernel") for path in paths)
    depth = {53: 50, 155: 152}.get(number)
    return {} if depth is None else released_names(paths, depth)
