"""Weights of teachers that come with the package."""

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources

import numpy as np


@functools.cache
def packed_weights(name: str) -> dict[str, np.ndarray]:
    """Arrays of a file beside this one, read once.

    Args:
        name: of the `.npz` file.

    Returns:
        The arrays by name, in alphabetical order.

    Example:
        >>> packed_weights("shapes_weights.npz")["words"][:3].tolist()
        ['red', 'orange', 'yellow']
    """
    file = resources.files("vild.teachers").joinpath(name)
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in sorted(arrays.files)}


def digest(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays: of what they hold, not of how a file packs it.

    Args:
        weights: arrays by name.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> digest({"a": np.zeros(2)}) == digest({"a": np.zeros(3)})
        False
    """
    total = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name]
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()
