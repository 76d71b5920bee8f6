"""Inputs of different sizes in few arrays, for the way between two processes."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from vild.data.training_input import TrainingInput

Packed: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray]]
"""Field -> values of all inputs, one after another; and (B, dimensions) shapes."""


def pack(inputs: Sequence[TrainingInput]) -> Packed:
    """Joins inputs, as they are, without padding.

    Args:
        inputs: B of them, with the same fields.

    Returns:
        Two arrays for each field.

    Example:
        >>> nothing = np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0)
        >>> info = np.zeros((5, 2), np.float32)
        >>> pixels = [np.ones((h, 20, 3), np.float32) for h in (30, 40)]
        >>> rows = [TrainingInput(p, info, *nothing) for p in pixels]
        >>> packed = pack(rows)
        >>> packed["pixels"][0].shape, packed["pixels"][1].tolist()
        ((4200,), [[30, 20, 3], [40, 20, 3]])
        >>> [one.pixels.shape for one in unpack(packed)]
        [(30, 20, 3), (40, 20, 3)]
    """
    packed = {}
    for name in TrainingInput._fields:
        arrays = [getattr(one, name) for one in inputs]
        if arrays[0] is not None:
            shapes = np.array([array.shape for array in arrays], np.int64)
            packed[name] = np.concatenate([a.ravel() for a in arrays]), shapes
    return packed


def unpack(packed: Packed) -> list[TrainingInput]:
    """Takes inputs apart again.

    Args:
        packed: what `pack` made.

    Returns:
        The inputs; their arrays are views.
    """
    fields: dict[str, list[np.ndarray]] = {}
    for name, (values, shapes) in packed.items():
        ends = np.cumsum(shapes.prod(axis=1))
        parts = np.split(values, ends[:-1])
        fields[name] = [
            part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)
        ]
    rows = zip(*fields.values(), strict=True)
    return [TrainingInput(**dict(zip(fields, row, strict=True))) for row in rows]
