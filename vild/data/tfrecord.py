"""TFRecord files, read and written without TensorFlow.

A record is its length (8 bytes), the checksum of these, its bytes, and the checksum
of these (4 bytes each), all little-endian.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vild.checkpoints.checksum import masked_crc
from vild.errors import DataError
from vild.files import replacing, writing

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
_GZIP = b"\x1f\x8b"


class TFRecordFile:
    """A TFRecord file by index: only its lengths are read until records are.

    Args:
        path: the file.

    Raises:
        DataError: if it is missing, cut off or no TFRecord file.

    Example:
        >>> write_tfrecord("a.tfrecord", [b"one", b"two"])
        2
        >>> file = TFRecordFile("a.tfrecord")
        >>> len(file), file[1]
        (2, b'two')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with _opened(self.path) as file:
            starts = list(_starts(file, self.path))
        # (N + 1,): the last is the end of the file.
        self._starts = np.array(starts, np.int64)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> bytes:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} records, not {index}")
        index %= len(self)
        with _opened(self.path) as file:
            file.seek(self._starts[index])
            length = int(self._starts[index + 1] - self._starts[index])
            raw = file.read(length)
        if len(raw) != length or _length(raw[: _HEAD.size]) != length - _AROUND:
            raise DataError(
                f"The file {str(self.path)!r} changed while it was read: open it again."
            )
        return _checked(raw[_HEAD.size :], self.path, index)


def stream_tfrecord(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Reads a TFRecord file from its beginning to its end.

    Args:
        path: the file.

    Yields:
        Its records.

    Raises:
        DataError: if it is missing, cut off, damaged or no TFRecord file.

    Example:
        >>> _ = write_tfrecord("a.tfrecord", [b"one", b"two"])
        >>> list(stream_tfrecord("a.tfrecord"))
        [b'one', b'two']
    """
    path = Path(path)
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        index = 0
        while (place := file.tell()) < size:
            length = _next_length(file, path, index, size - place)
            yield _checked(file.read(length + _TAIL.size), path, index)
            index += 1


def write_tfrecord(path: str | os.PathLike[str], records: Iterable[bytes]) -> int:
    """Writes a TFRecord file, whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        records: what to write; taken one at a time.

    Returns:
        How many there were.

    Raises:
        InputError: if the file cannot be written.

    Example:
        >>> write_tfrecord("none.tfrecord", [])
        0
    """
    path, count = Path(path), 0
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length)
            file.write(_TAIL.pack(masked_crc(length)))
            file.write(record)
            file.write(_TAIL.pack(masked_crc(record)))
            count += 1
    return count


_AROUND = _HEAD.size + _TAIL.size


def _starts(file: BinaryIO, path: Path) -> Iterator[int]:
    """Where each record begins, and where the file ends."""
    size = os.fstat(file.fileno()).st_size
    place = index = 0
    while place < size:
        yield place
        file.seek(place)
        place += _AROUND + _next_length(file, path, index, size - place)
        index += 1
    yield place


def _next_length(file: BinaryIO, path: Path, index: int, left: int) -> int:
    """The length of the record at hand, which must fit into the rest of the file."""
    head = file.read(_HEAD.size)
    length = _length(head)
    if length is None and index == 0 and head.startswith(_GZIP):
        raise DataError(
            f"The file {str(path)!r} is compressed: unpack it with gunzip first."
        )
    if len(head) == _HEAD.size and length is None:
        raise DataError(
            f"Record {index} of {str(path)!r} is damaged: the length that it begins "
            "with does not have its checksum; expected a TFRecord file, so check the "
            "path, or fetch or write the file again."
        )
    if length is None or length + _AROUND > left:
        raise DataError(
            f"Record {index} of {str(path)!r} is cut off: "
            f"{'its length' if length is None else f'{length + _AROUND} bytes'} "
            f"expected, {left} bytes left; fetch or write the file again."
        )
    return length


def _length(head: bytes) -> int | None:
    """The length in a record's head; None if that is damaged or not whole."""
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    return length if masked_crc(head[:8]) == checksum else None


def _checked(raw: bytes, path: Path, index: int) -> bytes:
    data, checksum = raw[: -_TAIL.size], _TAIL.unpack(raw[-_TAIL.size :])[0]
    if masked_crc(data) != checksum:
        raise DataError(
            f"Record {index} of {str(path)!r} is damaged: its {len(data)} bytes do not "
            "have the checksum that was stored with them; fetch or write the file "
            "again."
        )
    return data


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(
            f"The TFRecord file {str(path)!r} cannot be read "
            f"({error.strerror or error}): check the path and its permissions."
        ) from error
