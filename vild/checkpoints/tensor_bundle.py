"""Read TensorFlow's checkpoints (tensor bundles) without TensorFlow.

A checkpoint `model.ckpt-180000` is two files. `model.ckpt-180000.index` is a
LevelDB table which says for each variable where its bytes lie and what their
checksum is; `model.ckpt-180000.data-00000-of-00001` is those bytes.
"""

import difflib
import math
import os
from dataclasses import dataclass

import numpy as np

from vild.checkpoints.checksum import masked_crc
from vild.checkpoints.leveldb_table import table_records
from vild.checkpoints.prefix import beside, find_prefix
from vild.checkpoints.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    DamagedError,
    fields,
    message,
)
from vild.errors import CheckpointError

_MAX_RANK = 32  # of a NumPy array, before NumPy 2
_BFLOAT16 = "bfloat16"

# The numbers of tensorflow.DataType: those NumPy knows by the same name, and others.
_READABLE = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16"}
_READABLE |= {6: "int8", 8: "complex64", 9: "int64", 10: "bool", 14: _BFLOAT16}
_READABLE |= {17: "uint16", 18: "complex128", 19: "float16"}
_READABLE |= {22: "uint32", 23: "uint64"}
_OTHERS = {7: "string", 11: "qint8", 12: "quint8", 13: "qint32", 15: "qint16"}
_OTHERS |= {16: "quint16", 20: "resource", 21: "variant"}


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
        index = beside(self.prefix, ".index")
        try:
            shards, self.variables = _parse_index(index.read_bytes())
        except OSError as error:
            raise CheckpointError(
                f"Expected a readable checkpoint index {str(index)!r}, but reading it "
                f"failed with {error.strerror!r}; check the file and its permissions."
            ) from error
        except DamagedError as damage:
            raise CheckpointError(
                f"Expected {str(index)!r} to be the index of a TensorFlow checkpoint, "
                f"but {damage}; fetch the checkpoint again, or give another path."
            ) from damage
        self._shards = {
            shard: beside(self.prefix, f".data-{shard:05d}-of-{shards:05d}")
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
        if received != info.nbytes or masked_crc(raw) != info.checksum:
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


def _parse_index(table: bytes) -> tuple[int, dict[str, TensorInfo]]:
    """Give the number of data files, and the variables by name."""
    records = table_records(table)
    key, value = next(records, (b"", b""))
    if key or not value:
        raise DamagedError("it has no header")
    header = message(value, {1: VARINT, 2: VARINT})
    shards = header.get(1, 0)
    if header.get(2, 0) != 0:
        raise DamagedError("it was written in big-endian order, which is not supported")
    if not 1 <= shards < 100_000:
        raise DamagedError(f"it counts {shards} data files")
    variables = {}
    for key, value in records:
        # Keys that start with a zero byte are the parts of sliced variables.
        if not key.startswith(b"\0"):
            try:
                name = key.decode()
            except UnicodeDecodeError:
                raise DamagedError(f"the variable name {key!r} is not text") from None
            variables[name] = _parse_entry(name, value, shards)
    return shards, variables


def _parse_entry(name: str, value: bytes, shards: int) -> TensorInfo:
    entry = message(
        value,
        {1: VARINT, 2: BYTES, 3: VARINT, 4: VARINT, 5: VARINT, 6: FIXED32} | {7: BYTES},
    )
    shape = tuple(
        message(value, {1: VARINT}).get(1, 0)
        for number, value in fields(entry.get(2, b""), {2: BYTES})
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
        raise DamagedError(f"the shape {shape} of {name!r} is not possible")
    if info.shard >= shards or info.offset + info.nbytes >= 2**63:
        raise DamagedError(f"the place of {name!r} is not possible")
    if info.dtype in _READABLE.values() and not info.sliced:
        size = 2 if info.dtype == _BFLOAT16 else np.dtype(info.dtype).itemsize
        if math.prod(shape) * size != info.nbytes:
            raise DamagedError(
                f"{name!r} has {info.nbytes} bytes, which is not a {info.dtype} "
                f"array of shape {shape}"
            )
    return info
