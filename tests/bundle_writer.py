"""Write TensorFlow checkpoints (tensor bundles) without TensorFlow, for tests.

TensorFlow reads what `write_bundle` writes; test_tensor_bundle.py checks that.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

DTYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
MAGIC = 0xDB4775248B80FB57
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one shard, little-endian, version 1
RESTART_EVERY = 16


def write_bundle(
    prefix: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    *,
    block_size: int = 4096,
) -> None:
    """Write `prefix`.index and one data file; the index appears last.

    Args:
        prefix: where to write, e.g. `folder/model.ckpt-180000`.
        tensors: the variables by name, of the types in `DTYPES`.
        block_size: the size at which an index block ends, in bytes. TensorFlow's
            own is 256 KiB; a smaller one makes small tables have several.
    """
    prefix = Path(prefix)
    data = prefix.parent / (prefix.name + ".data-00000-of-00001")
    part = prefix.parent / (prefix.name + ".data.part")
    records = [(b"", HEADER)]
    offset = 0
    with part.open("wb") as file:
        for name, tensor in sorted(
            (name.encode(), tensor) for name, tensor in tensors.items()
        ):
            flat = np.ascontiguousarray(little_endian(tensor)).reshape(-1)
            raw = flat.view(np.uint8)
            file.write(raw)
            entry = encode_entry(
                DTYPES[tensor.dtype.name],
                tensor.shape,
                offset=offset,
                size=raw.size,
                crc=masked_crc(raw),
            )
            records.append((name, entry))
            offset += raw.size
    part.replace(data)
    write_table(
        prefix.parent / (prefix.name + ".index"), records, block_size=block_size
    )


def write_table(
    path: Path, records: Iterable[tuple[bytes, bytes]], *, block_size: int = 4096
) -> None:
    """Write a LevelDB table of records which are sorted by key."""
    table = bytearray()
    index: list[tuple[bytes, bytes]] = []
    block: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in records:
        block.append((key, value))
        size += len(key) + len(value)
        if size >= block_size:
            index.append((key, append_block(table, block)))
            block, size = [], 0
    if block:
        index.append((block[-1][0], append_block(table, block)))
    metaindex = append_block(table, [])
    handles = metaindex + append_block(table, index, restart_every=1)
    table += handles.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")
    part = path.with_name(path.name + ".part")
    part.write_bytes(table)
    part.replace(path)


def append_block(
    table: bytearray,
    records: list[tuple[bytes, bytes]],
    *,
    restart_every: int = RESTART_EVERY,
    compression: int = 0,
) -> bytes:
    """Append a block with its trailer, and return its handle."""
    block = bytearray()
    restarts = [0]
    last = b""
    for position, (key, value) in enumerate(records):
        shared = 0
        if position % restart_every:
            shared = common_length(last, key)
        elif position:
            restarts.append(len(block))
        block += varint(shared) + varint(len(key) - shared) + varint(len(value))
        block += key[shared:] + value
        last = key
    for number in (*restarts, len(restarts)):
        block += number.to_bytes(4, "little")
    handle = varint(len(table)) + varint(len(block))
    block.append(compression)
    table += block + masked_crc(bytes(block)).to_bytes(4, "little")
    return handle


def encode_entry(
    dtype: int,
    shape: Iterable[int],
    *,
    shard: int = 0,
    offset: int = 0,
    size: int = 0,
    crc: int = 0,
) -> bytes:
    """Encode a BundleEntryProto, without the fields which have their default."""
    dims = b"".join(field(2, field(1, length) if length else b"") for length in shape)
    entry = field(1, dtype) + field(2, dims)
    for number, value in ((3, shard), (4, offset), (5, size)):
        entry += field(number, value) if value else b""
    return entry + b"\x35" + crc.to_bytes(4, "little")


def field(number: int, value: int | bytes) -> bytes:
    """Encode one field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def common_length(one: bytes, other: bytes) -> int:
    """Count the bytes with which both keys start."""
    pairs = zip(one, other, strict=False)
    return next(
        (place for place, (a, b) in enumerate(pairs) if a != b),
        min(len(one), len(other)),
    )


def varint(value: int) -> bytes:
    """Encode a number, seven bits a byte."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def masked_crc(data: bytes | np.ndarray) -> int:
    """Give the CRC-32C as LevelDB stores it."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def little_endian(tensor: np.ndarray) -> np.ndarray:
    """Give the tensor in the byte order of the file."""
    if tensor.dtype.kind not in "biufc":  # bfloat16 knows no byte order
        return tensor
    return tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
