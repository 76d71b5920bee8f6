"""Choosing at random, with static shapes.

Who is chosen follows from noise that the caller gives: the same noise, the same
choice, on every framework.
"""

from typing import Any

from vild.backends import keras, kernels

ops = keras.ops


def marks(positions: Any, valid: Any, size: int) -> Any:
    """A mask out of positions.

    Args:
        positions: (B, M) int32, below `size`; each at most once among the valid.
        valid: (B, M) bool; the others mark nothing.
        size: length of a row of the mask.

    Returns:
        (B, size) bool.
    """
    batch = positions.shape[0]
    # What is not valid goes into a place of its own behind the last row.
    rows = ops.arange(batch, dtype="int32")[:, None] * size
    place = ops.where(valid, positions + rows, batch * size)
    ones = ops.ones_like(place, "int32")
    found = ops.segment_max(
        ops.reshape(ones, (-1,)), ops.reshape(place, (-1,)), batch * size + 1
    )
    return ops.reshape(found[:-1] == 1, (batch, size))


def choose(candidates: Any, noise: Any, most: int, number: Any = None) -> Any:
    """Marks some of the candidates, uniformly, none twice.

    Args:
        candidates: (B, A) bool.
        noise: (B, A) float32 from [0, 1).
        most: how many at most; static.
        number: (B,) int32, how many in each row, up to `most`; None: `most`.

    Returns:
        (B, A) bool: that many, or all if there are fewer.
    """
    size = candidates.shape[1]
    most = min(most, size)
    keys, positions = kernels.top_k(ops.where(candidates, noise, -1.0), most)
    valid = keys >= 0.0
    if number is not None:
        order = ops.arange(most, dtype="int32")[None]
        valid = ops.logical_and(valid, order < number[:, None])
    return marks(positions, valid, size)


def count(mask: Any) -> Any:
    """How many are marked in each row.

    Args:
        mask: (B, A) bool.

    Returns:
        (B,) int32.
    """
    return ops.sum(ops.cast(mask, "int32"), axis=1)
