"""LevelDB tables, the format of a TensorFlow checkpoint's index."""

from collections.abc import Iterator

from vild.checkpoints.checksum import masked_crc
from vild.checkpoints.protobuf import DamagedError, varint

_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER = 48  # two block handles, padding, the magic number
_TRAILER = 5  # one byte for the compression, four for the checksum


def table_records(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Gives the records of a LevelDB table.

    Args:
        table: the whole file, not compressed.

    Yields:
        Keys and values, in the order of the keys.

    Raises:
        DamagedError: if it is no such table, damaged or compressed.

    Example:
        >>> from pathlib import Path
        >>> index = Path("tests/checkpoints/fixtures/model.ckpt-180000.index")
        >>> next(table_records(index.read_bytes()))[0]
        b''
    """
    if not table:
        raise DamagedError("it is empty")
    if len(table) < _FOOTER or not table.endswith(_MAGIC):
        raise DamagedError(
            f"its {len(table)} bytes do not end in a checkpoint's magic number: it is "
            "truncated or something else"
        )
    footer = table[-_FOOTER:]
    metaindex, at = _block_handle(footer, 0)
    index, _ = _block_handle(footer, at)
    _block(table, *metaindex)  # which says nothing, but may show damage
    last: bytes | None = None
    for _, handle in _block_records(_block(table, *index)):
        for key, value in _block_records(_block(table, *_block_handle(handle, 0)[0])):
            if last is not None and key <= last:
                raise DamagedError("its names are not in order")
            last = key
            yield key, value


def _block_handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(table: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER > len(table):
        raise DamagedError("it refers to bytes behind its end")
    # The checksum covers the byte for the compression too.
    stored = int.from_bytes(table[end + 1 : end + _TRAILER], "little")
    if masked_crc(table[offset : end + 1]) != stored:
        raise DamagedError("a checksum differs: it is damaged")
    if table[end] != 0:
        kind = "snappy" if table[end] == 1 else f"kind {table[end]}"
        raise DamagedError(f"it is compressed ({kind}), which is not supported")
    return table[offset:end]


def _block_records(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    # Restart points are for searching; whoever reads all of it needs none.
    restarts = int.from_bytes(block[-4:], "little")
    limit = len(block) - 4 * (restarts + 1)
    if limit < 0:
        raise DamagedError("a block of it is too short")
    at, key = 0, b""
    while at < limit:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        middle = at + unshared
        if shared > len(key) or middle + length > limit:
            raise DamagedError("a record of it runs past its block")
        key = key[:shared] + block[at:middle]
        at = middle + length
        yield key, block[middle:at]
