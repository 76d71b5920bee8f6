"""Chance that follows from a seed: the same numbers on every backend and device."""

from typing import Any

from vild.backends import keras

ops = keras.ops

# Multipliers and shifts of a 32-bit integer hash with little bias (C. Wellons'
# `lowbias32`), as int32: products wrap around on every backend.
_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - (1 << 32)
# The golden ratio keeps numbers that follow each other apart.
_STEP = 0x9E3779B9 - (1 << 32)
_BITS = 24  # what a float32 holds exactly


def uniform(seeds: Any, size: int, stream: int = 0) -> Any:
    """A row of noise for every seed.

    No state is kept: an example brings its seed along. So what is drawn for it does
    not depend on the device it is on, nor on its company in the batch, nor on whether
    the training was interrupted.

    Args:
        seeds: (B,) int32.
        size: length of a row.
        stream: different streams of one seed have nothing in common.

    Returns:
        (B, size) float32 from [0, 1), uniform.

    Example:
        >>> from vild.backends import keras
        >>> uniform(keras.ops.convert_to_tensor([7], "int32"), 3).shape[1]
        3
    """
    start = _hash(ops.cast(seeds, "int32") + _wrapped(stream * 0x9E3779B9))
    places = ops.arange(size, dtype="int32") * _STEP
    bits = _shifted(_hash(_hash(start[:, None] + places[None])), 32 - _BITS)
    return ops.cast(bits, "float32") / float(1 << _BITS)


def _hash(x: Any) -> Any:
    x = ops.bitwise_xor(x, _shifted(x, 16)) * _FIRST
    x = ops.bitwise_xor(x, _shifted(x, 15)) * _SECOND
    return ops.bitwise_xor(x, _shifted(x, 16))


def _shifted(x: Any, by: int) -> Any:
    """A shift to the right that brings zeros in, which int32 itself does not."""
    return ops.bitwise_and(ops.right_shift(x, by), (1 << (32 - by)) - 1)


def _wrapped(number: int) -> int:
    """A whole number as int32."""
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)
