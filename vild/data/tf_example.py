"""`tf.train.Example` without TensorFlow: named lists of bytes, floats or integers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from vild.checkpoints.protobuf import (
    BYTES,
    FIXED32,
    DamagedError,
    fields,
    message,
)
from vild.errors import DataError, InputError

Feature: TypeAlias = Sequence[bytes] | np.ndarray
"""A list of bytes; or a one-dimensional array, float32 or int64."""

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_FLOAT_TAG = 1 << 3 | FIXED32
_LONGEST = 10  # bytes of a 64-bit number


def decode_example(data: bytes) -> dict[str, Feature]:
    """Reads an Example.

    Args:
        data: its bytes; lists of numbers packed or not.

    Returns:
        Name -> list of bytes, float32 array or int64 array; an empty list for a
        feature without content.

    Raises:
        DataError: if the bytes are no Example.

    Example:
        >>> decode_example(encode_example({"a": [b"x"], "b": np.array([1, 2])}))
        {'a': [b'x'], 'b': array([1, 2])}
    """
    found: dict[str, Feature] = {}
    try:
        for number, features in fields(memoryview(data), {1: BYTES}):
            for key, entry in fields(features, {1: BYTES}) if number == 1 else ():
                if key == 1:
                    pair = message(entry, {1: BYTES, 2: BYTES})
                    name = bytes(pair.get(1, b"")).decode()
                    found[name] = _decode_feature(pair.get(2, b""))
    except (DamagedError, UnicodeDecodeError) as error:
        raise DataError(
            f"Expected the bytes of a tf.train.Example, but {error}: check what wrote "
            "them."
        ) from error
    return found


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """Writes an Example: lists of numbers packed, names in alphabetical order.

    Args:
        features: name -> list of bytes, float32 array or int64 array.

    Returns:
        Its bytes.

    Raises:
        InputError: for values of another kind.

    Example:
        >>> encode_example({"a": np.array([1], np.int64)}).hex()
        '0a0c0a0a0a016112051a030a0101'
    """
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _encode_feature(name, values)))
        for name, values in sorted(features.items())
    )
    return _field(1, b"".join(entries))


def _decode_feature(data: bytes | memoryview) -> Feature:
    kind, parts = None, []
    # Of several kinds the last counts; lists of one kind are joined.
    for number, part in fields(data, dict.fromkeys((1, 2, 3), BYTES)):
        if number in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            parts = [*(parts if number == kind else []), part]
            kind = number
    if kind == _FLOAT_LIST:
        return _joined([_floats(part) for part in parts], np.float32)
    if kind == _INT64_LIST:
        return _joined([_integers(part) for part in parts], np.int64)
    return [
        bytes(value)
        for part in parts
        for number, value in fields(part, {1: BYTES})
        if number == 1
    ]


def _floats(data: memoryview) -> np.ndarray:
    raw = np.frombuffer(data, np.uint8)
    if len(raw) % 5 == 0 and (raw[::5] == _FLOAT_TAG).all():  # none is packed
        return np.ascontiguousarray(raw.reshape(-1, 5)[:, 1:]).view("<f4").ravel()
    parts = []
    for number, value in fields(data):
        if number == 1 and isinstance(value, int):
            if value >> 32:
                raise DamagedError("a list of floats in it holds something else")
            value = value.to_bytes(4, "little")
        if number == 1:
            if len(value) % 4:
                raise DamagedError("a list of floats in it is cut off")
            parts.append(np.frombuffer(value, "<f4"))
    return _joined(parts, np.float32)


def _integers(data: memoryview) -> np.ndarray:
    parts = []
    for number, value in fields(data):
        if number == 1 and isinstance(value, int):
            parts.append(np.array([value & (2**64 - 1)], np.uint64).view(np.int64))
        elif number == 1:
            parts.append(_unpack_varints(np.frombuffer(value, np.uint8)))
    return _joined(parts, np.int64)


def _unpack_varints(raw: np.ndarray) -> np.ndarray:
    last = raw < 0x80
    if not len(raw):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(last)
    lengths = np.diff(ends, prepend=-1)
    if not last[-1] or lengths.max() > _LONGEST:
        raise DamagedError("a list of integers in it is cut off")
    starts = ends - lengths + 1
    group = np.arange(len(raw)) - np.repeat(starts, lengths)
    bits = (raw & 0x7F).astype(np.uint64) << (7 * group).astype(np.uint64)
    values: np.ndarray = np.add.reduceat(bits, starts)
    return values.view(np.int64)


def _joined(parts: Iterable[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype, copy=False)


def _encode_feature(name: str, values: Feature) -> bytes:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        if values.dtype == np.float32:
            packed = values.astype("<f4", copy=False).tobytes()
            return _field(_FLOAT_LIST, _field(1, packed) if packed else b"")
        if values.dtype == np.int64:
            packed = b"".join(map(_varint, values.tolist()))
            return _field(_INT64_LIST, _field(1, packed) if packed else b"")
    elif not isinstance(values, np.ndarray | str | bytes) and all(
        isinstance(value, bytes) for value in values
    ):
        return _field(_BYTES_LIST, b"".join(_field(1, value) for value in values))
    what = (
        f"{values.dtype} of shape {values.shape}"
        if isinstance(values, np.ndarray)
        else repr(values)[:60]
    )
    raise InputError(
        f"The feature {name!r} must be a list of bytes, or a float32 or int64 array of "
        f"one dimension, received {what}."
    )


def _field(number: int, data: bytes) -> bytes:
    return b"".join((_varint(number << 3 | BYTES), _varint(len(data)), data))


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative numbers as their complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
