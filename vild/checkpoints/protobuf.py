"""Protocol buffers as they lie on disk, read without their library."""

from collections.abc import Iterator, Mapping
from typing import Any

# The kinds of field that the wire format tells apart.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class DamagedError(Exception):
    """What is wrong with some bytes: the end of a sentence "..., but "."""


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Reads a number of seven bits a byte.

    Args:
        data: bytes that hold it.
        at: where it starts.

    Returns:
        The number, which is negative numbers' 64-bit complement, and where it
        ends.

    Raises:
        DamagedError: if it does not end.

    Example:
        >>> varint(bytes([0xAC, 0x02]), 0)
        (300, 2)
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedError("a number in it does not end")


def fields(
    data: bytes | memoryview, kinds: Mapping[int, int] | None = None
) -> Iterator[tuple[int, Any]]:
    """Gives the fields of a message, in order and as often as they are there.

    Args:
        data: the message; parts of a view are views, which nothing copies.
        kinds: field number -> the kind it must be of; others may be of any.

    Yields:
        Field number and value: bytes for `BYTES` (texts, messages and packed
        lists), else a number without sign.

    Raises:
        DamagedError: if the bytes are no message, or a field is of another kind.

    Example:
        >>> list(fields(bytes([0x08, 0x05, 0x12, 0x01, 0x61])))
        [(1, 5), (2, b'a')]
    """
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kinds and kinds.get(number, kind) != kind:
            raise DamagedError(
                f"field {number} of a message in it is of the wrong kind"
            )
        value: int | bytes | memoryview
        if kind == VARINT:
            value, at = varint(data, at)
        else:
            if kind == BYTES:
                size, at = varint(data, at)
            elif kind in (FIXED32, FIXED64):
                size = 4 if kind == FIXED32 else 8
            else:
                raise DamagedError(
                    f"a message in it has a field of unknown kind {kind}"
                )
            if at + size > len(data):
                raise DamagedError("a message in it is cut off")
            value = data[at : at + size]
            if kind != BYTES:
                value = int.from_bytes(value, "little")
            at += size
        yield number, value


def message(
    data: bytes | memoryview, kinds: Mapping[int, int] | None = None
) -> dict[int, Any]:
    """Gives each field of a message once.

    Args:
        data: the message.
        kinds: as for `fields`.

    Returns:
        Field number -> its last value, which is the one that counts.

    Raises:
        DamagedError: as for `fields`.

    Example:
        >>> message(bytes([0x08, 0x05, 0x08, 0x06]))
        {1: 6}
    """
    return dict(fields(data, kinds))
