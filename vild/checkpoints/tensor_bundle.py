"""Read TensorFlow's checkpoints (tensor bundles) without TensorFlow.

A checkpoint `model.ckpt-180000` is two files. `model.ckpt-180000.index` is a
LevelDB table which says for each variable where its bytes lie and what their
checksum is; `model.ckpt-180000.data-00000-of-00001` is those bytes.
"""

import difflib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from vild.errors import CheckpointError

_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER = 48  # two block handles, padding, the magic number
_TRAILER = 5  # one byte for the compression, four for the checksum
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_RANK = 32  # of a NumPy array, before NumPy 2
_BFLOAT16 = "bfloat16"

# The numbers of tensorflow.DataType: those NumPy knows by the same name, and others.
_READABLE = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16"}
_READABLE |= {6: "int8", 8: "complex64", 9: "int64", 10: "bool", 14: _BFLOAT16}
_READABLE |= {17: "uint16", 18: "complex128", 19: "float16"}
_READABLE |= {22: "uint32", 23: "uint64"}
_OTHERS = {7: "string", 11: "qint8", 12: "quint8", 13: "qint32", 15: "qint16"}
_OTHERS |= {16: "quint16", 20: "resource", 21: "variant"}

_DATA_SUFFIX = re.compile(r"\.data-\d{5,}-of-\d{5,}$")
_STATE = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.M)


@dataclass(frozen=True)
class TensorInfo:
    """What a checkpoint's index says of one variable.

    Args:
        dtype: the name of the type of its numbers, e.g. "float32"; types NumPy
            has none of keep TensorFlow's name, e.g. "bfloat16" or "string".
        shape: its shape.
        shard: which data file holds it.
        offset: where it starts in that file, in bytes.
        nbytes: how long it is there, in bytes.
        checksum: the masked CRC-32C of those bytes.
        sliced: whether it was saved in several parts, which cannot be read.
    """

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    nbytes: int
    checksum: int
    sliced: bool


class TensorBundle:
    """A TensorFlow checkpoint, open for reading one variable at a time.

    Args:
        path: the checkpoint, in any way `find_prefix` understands.

    Raises:
        CheckpointError: if it is missing, incomplete, damaged or no checkpoint.

    Example:
        >>> from vild.checkpoints.tensor_bundle import TensorBundle
        >>> bundle = TensorBundle("tests/checkpoints/fixtures")
        >>> bundle.variables["resnet50/conv2d/kernel"].shape
        (3, 3, 2, 1)
        >>> int(bundle.read("global_step"))
        180000
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.prefix = find_prefix(path)
        index = _beside(self.prefix, ".index")
        try:
            shards, self.variables = _parse_index(index.read_bytes())
        except OSError as error:
            raise CheckpointError(
                f"Expected a readable checkpoint index {str(index)!r}, but reading it "
                f"failed with {error.strerror!r}; check the file and its permissions."
            ) from error
        except _Damaged as damage:
            raise CheckpointError(
                f"Expected {str(index)!r} to be the index of a TensorFlow checkpoint, "
                f"but {damage}; fetch the checkpoint again, or give another path."
            ) from damage
        self._shards = {
            shard: _beside(self.prefix, f".data-{shard:05d}-of-{shards:05d}")
            for shard in {info.shard for info in self.variables.values()}
        }
        self._check_data_files()

    def read(self, name: str) -> np.ndarray:
        """Read one variable from disk and verify its checksum.

        Args:
            name: one of the keys of `variables`.

        Returns:
            Its value, in its own shape and type; bfloat16 comes as float32.

        Raises:
            CheckpointError: if there is no such variable, its bytes are damaged,
                or it is of a kind that NumPy cannot hold.

        Example:
            >>> from vild.checkpoints.tensor_bundle import TensorBundle
            >>> TensorBundle("tests/checkpoints/fixtures").read("odd/int32")
            array([-2147483648,           0,  2147483647], dtype=int32)
        """
        if name not in self.variables:
            close = difflib.get_close_matches(name, self.variables, 3)
            raise CheckpointError(
                f"Expected a variable of {str(self.prefix)!r}, received {name!r}, "
                f"which is none of its {len(self.variables)}; "
                + (f"did you mean {close}?" if close else "see `.variables`.")
            )
        info = self.variables[name]
        if info.dtype not in _READABLE.values() or info.sliced:
            kind = "saved in slices" if info.sliced else f"of type {info.dtype}"
            raise CheckpointError(
                f"Expected whole variables of numbers in {str(self.prefix)!r}, but "
                f"{name!r} is {kind}; leave it out, or save it anew with TensorFlow."
            )
        raw = self._read_bytes(name, info)
        if info.dtype == _BFLOAT16:
            wide = raw.view("<u2").astype(np.uint32) << np.uint32(16)
            return wide.view(np.float32).reshape(info.shape)
        stored = np.dtype(info.dtype).newbyteorder("<")
        return raw.view(stored).astype(info.dtype, copy=False).reshape(info.shape)

    def _read_bytes(self, name: str, info: TensorInfo) -> np.ndarray:
        data = self._shards[info.shard]
        raw = np.empty(info.nbytes, np.uint8)
        try:
            with data.open("rb") as file:
                file.seek(info.offset)
                received = file.readinto(raw.data)
        except OSError as error:
            raise CheckpointError(
                f"Expected to read {name!r} from {str(data)!r}, but that failed with "
                f"{error.strerror!r}; check the file and its permissions."
            ) from error
        if received != info.nbytes or _masked_crc(raw) != info.checksum:
            raise CheckpointError(
                f"Expected {info.nbytes} bytes with the checksum {info.checksum:#010x} "
                f"for {name!r} in {str(data)!r}, received {received} which differ: the "
                "file is damaged; fetch the checkpoint again."
            )
        return raw

    def _check_data_files(self) -> None:
        """Find a missing or truncated data file before anything is read."""
        for shard, data in self._shards.items():
            needed = max(
                info.offset + info.nbytes
                for info in self.variables.values()
                if info.shard == shard
            )
            try:
                size = data.stat().st_size if data.is_file() else None
            except OSError:
                size = None
            if size is None:
                raise CheckpointError(
                    f"Expected the values of {str(self.prefix)!r} in {data.name!r} "
                    "next to its index, but there is no such file; fetch both files."
                )
            if size < needed:
                raise CheckpointError(
                    f"Expected at least {needed} bytes in {str(data)!r}, received "
                    f"{size}: the file is truncated; fetch the checkpoint again."
                )


def find_prefix(path: str | os.PathLike[str]) -> Path:
    """Find the checkpoint that a path means.

    Args:
        path: the checkpoint's prefix (`.../model.ckpt-180000`), one of its files,
            or a folder that holds one checkpoint; of several, the one which the
            folder's `checkpoint` file names.

    Returns:
        The prefix: the path to which `.index` is appended.

    Raises:
        CheckpointError: if there is no checkpoint there, or more than one.

    Example:
        >>> from vild.checkpoints.tensor_bundle import find_prefix
        >>> find_prefix("tests/checkpoints/fixtures").name
        'model.ckpt-180000'
    """
    path = Path(path)
    try:
        is_folder = path.is_dir() and not _has_index(path)
        prefix = _prefix_in_folder(path) if is_folder else _prefix_of_file(path)
        if _has_index(prefix):
            return prefix
        has_data = any(
            _DATA_SUFFIX.search(other.name)
            and _DATA_SUFFIX.sub("", other.name) == prefix.name
            for other in (prefix.parent.iterdir() if prefix.parent.is_dir() else ())
        )
    except OSError as error:
        raise CheckpointError(
            f"Expected a checkpoint at {str(path)!r}, but looking there failed with "
            f"{error.strerror!r}; check the path and its permissions."
        ) from error
    if has_data:
        raise CheckpointError(
            f"Expected the index {prefix.name + '.index'!r} next to the data file of "
            f"{str(prefix)!r}, but there is no such file; fetch both files."
        )
    found = "is a file of another kind" if path.is_file() else "does not exist"
    raise CheckpointError(
        f"Expected a TensorFlow checkpoint (a prefix such as model.ckpt-180000, its "
        f".index file or its folder), but {str(path)!r} {found}; check the path."
    )


def _beside(prefix: Path, suffix: str) -> Path:
    return prefix.parent / (prefix.name + suffix)


def _has_index(prefix: Path) -> bool:
    return bool(prefix.name) and _beside(prefix, ".index").is_file()


def _prefix_of_file(path: Path) -> Path:
    if path.name.endswith(".index"):
        return path.with_name(path.name.removesuffix(".index") or path.name)
    return path.with_name(_DATA_SUFFIX.sub("", path.name) or path.name)


def _prefix_in_folder(folder: Path) -> Path:
    state = folder / "checkpoint"
    text = state.read_text("utf-8", "replace") if state.is_file() else ""
    if match := _STATE.search(text):
        named = folder / re.sub(r"\\(.)", r"\1", match[1])
        # A folder which was moved still names the place where it was written.
        for prefix in (named, folder / named.name):
            if _has_index(prefix):
                return prefix
    names = sorted(
        {other.name.removesuffix(".index") for other in folder.glob("?*.index")}
        or {
            _DATA_SUFFIX.sub("", other.name)
            for other in folder.iterdir()
            if _DATA_SUFFIX.search(other.name)
        }
    )
    if len(names) == 1:
        return folder / names[0]
    received = f"{len(names)} of them: {', '.join(names)}" if names else "none"
    raise CheckpointError(
        f"Expected one checkpoint in the folder {str(folder)!r}, received {received}; "
        "give the path of the one you mean, e.g. .../model.ckpt-180000."
    )


class _Damaged(Exception):
    """What is wrong with an index, to follow "..., but "."""


def _parse_index(table: bytes) -> tuple[int, dict[str, TensorInfo]]:
    """Give the number of data files, and the variables by name."""
    records = _table_records(table)
    key, value = next(records, (b"", b""))
    if key or not value:
        raise _Damaged("it has no header")
    header = _message(value, {1: _VARINT, 2: _VARINT})
    shards = header.get(1, 0)
    if header.get(2, 0) != 0:
        raise _Damaged("it was written in big-endian order, which is not supported")
    if not 1 <= shards < 100_000:
        raise _Damaged(f"it counts {shards} data files")
    variables = {}
    for key, value in records:
        # Keys that start with a zero byte are the parts of sliced variables.
        if not key.startswith(b"\0"):
            try:
                name = key.decode()
            except UnicodeDecodeError:
                raise _Damaged(f"the variable name {key!r} is not text") from None
            variables[name] = _parse_entry(name, value, shards)
    return shards, variables


def _parse_entry(name: str, value: bytes, shards: int) -> TensorInfo:
    entry = _message(
        value,
        {1: _VARINT, 2: _BYTES, 3: _VARINT, 4: _VARINT, 5: _VARINT, 6: _FIXED32}
        | {7: _BYTES},
    )
    shape = tuple(
        _message(value, {1: _VARINT}).get(1, 0)
        for number, value in _fields(entry.get(2, b""), {2: _BYTES})
        if number == 2
    )
    number = entry.get(1, 0)
    info = TensorInfo(
        dtype=(_READABLE | _OTHERS).get(number, f"number {number}"),
        shape=shape,
        shard=entry.get(3, 0),
        offset=entry.get(4, 0),
        nbytes=entry.get(5, 0),
        checksum=entry.get(6, 0),
        sliced=7 in entry,
    )
    # Negative numbers look like huge ones here, and so are refused as well.
    if len(shape) > _MAX_RANK or math.prod(max(size, 1) for size in shape) >= 2**56:
        raise _Damaged(f"the shape {shape} of {name!r} is not possible")
    if info.shard >= shards or info.offset + info.nbytes >= 2**63:
        raise _Damaged(f"the place of {name!r} is not possible")
    if info.dtype in _READABLE.values() and not info.sliced:
        size = 2 if info.dtype == _BFLOAT16 else np.dtype(info.dtype).itemsize
        if math.prod(shape) * size != info.nbytes:
            raise _Damaged(
                f"{name!r} has {info.nbytes} bytes, which is not a {info.dtype} "
                f"array of shape {shape}"
            )
    return info


def _table_records(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the keys and values of a LevelDB table, in their order."""
    if not table:
        raise _Damaged("it is empty")
    if len(table) < _FOOTER or not table.endswith(_MAGIC):
        raise _Damaged(
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
                raise _Damaged("its names are not in order")
            last = key
            yield key, value


def _block_handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(table: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER > len(table):
        raise _Damaged("it refers to bytes behind its end")
    # The checksum covers the byte for the compression too.
    stored = int.from_bytes(table[end + 1 : end + _TRAILER], "little")
    if _masked_crc(table[offset : end + 1]) != stored:
        raise _Damaged("a checksum differs: it is damaged")
    if table[end] != 0:
        kind = "snappy" if table[end] == 1 else f"kind {table[end]}"
        raise _Damaged(f"it is compressed ({kind}), which is not supported")
    return table[offset:end]


def _block_records(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    # Restart points are for searching; whoever reads all of it needs none.
    restarts = int.from_bytes(block[-4:], "little")
    limit = len(block) - 4 * (restarts + 1)
    if limit < 0:
        raise _Damaged("a block of it is too short")
    at, key = 0, b""
    while at < limit:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        middle = at + unshared
        if shared > len(key) or middle + length > limit:
            raise _Damaged("a record of it runs past its block")
        key = key[:shared] + block[at:middle]
        at = middle + length
        yield key, block[middle:at]


def _masked_crc(data: bytes | np.ndarray) -> int:
    """Give the CRC-32C as LevelDB stores it."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _Damaged("a number in it does not end")


def _fields(data: bytes, kinds: dict[int, int]) -> Iterator[tuple[int, Any]]:
    """Give the fields of a protobuf message; those in `kinds` must be of that kind."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kinds.get(number, kind) != kind:
            raise _Damaged(f"field {number} of a message in it is of the wrong kind")
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            if kind == _BYTES:
                size, at = _varint(data, at)
            elif kind in (_FIXED32, _FIXED64):
                size = 4 if kind == _FIXED32 else 8
            else:
                raise _Damaged(f"a message in it has a field of unknown kind {kind}")
            if at + size > len(data):
                raise _Damaged("a message in it is cut off")
            value = data[at : at + size]
            if kind != _BYTES:
                value = int.from_bytes(value, "little")
            at += size
        yield number, value


def _message(data: bytes, kinds: dict[int, int]) -> dict[int, Any]:
    """Give the last value of each field, as protobuf does."""
    return dict(_fields(data, kinds))
