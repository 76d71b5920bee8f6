"""Files of named arrays in the safetensors format, byte for byte the same each time.

A file is the length of its head (8 bytes, little-endian), the head (JSON, padded with
spaces to a multiple of 8), and the arrays one after another. The `safetensors` package
reads and writes the same files; this writes them in one order only, and maps them.
"""

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# What the format calls them -> how they lie on disk.
DTYPES: dict[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_LENGTH = 8  # bytes in front of the head
_LONGEST = 1 << 24  # bytes of a head: a length beyond this is damage


def tensor_bytes(arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> bytes:
    """Arrays as the content of a file.

    Args:
        arrays: name -> array of one of `DTYPES`; written in this order, which should
            be one of falling size of item, so that all lie aligned.
        about: texts to keep with them.

    Returns:
        The bytes.

    Example:
        >>> tensor_bytes({"a": np.array([1, 2], "<u4")}, {"by": "me"})[8:40]
        b'{"__metadata__":{"by":"me"},"a":'
    """
    head: dict[str, Any] = {"__metadata__": dict(about)}
    place = 0
    for name, array in arrays.items():
        stop = place + array.nbytes
        head[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, stop],
        }
        place = stop
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    parts = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *parts])


def map_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Maps a file into memory: what is not looked at is not read.

    Args:
        path: a file of `tensor_bytes` or of `safetensors`.

    Returns:
        Name -> read-only array, and the texts kept with them.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is cut off, or no such file: what is wrong with it.

    Example:
        >>> path = Path("a.safetensors")
        >>> _ = path.write_bytes(tensor_bytes({"a": np.array([1, 2], "<u4")}, {}))
        >>> map_tensors(path)[0]["a"]
        array([1, 2], dtype=uint32)
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(_LENGTH), "little")
        if size < _LENGTH or _LENGTH + length > size or length > _LONGEST:
            raise ValueError(f"its {size} bytes do not hold the head they begin with")
        head = _read_head(file.read(length))
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    about = head.pop("__metadata__", {})
    arrays: dict[str, np.ndarray] = {}
    place = 0
    # In the order in which they lie: there must be no gap, so that no byte is idle.
    for name, entry in sorted(head.items(), key=lambda item: _offsets(item[1])):
        dtype, shape, (start, stop) = _entry(name, entry)
        if start != place or stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} does not lie where its shape says")
        place = stop
        if _LENGTH + length + stop > size:
            break
        arrays[name] = np.ndarray(shape, dtype, content, _LENGTH + length + start)
    if _LENGTH + length + place != size:
        raise ValueError(f"{_LENGTH + length + place} bytes expected, {size} are there")
    return arrays, about


def _read_head(text: bytes) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its head is no JSON ({error})") from error
    if not isinstance(head, dict) or not isinstance(head.get("__metadata__", {}), dict):
        raise ValueError("its head is no JSON object")
    return head


def _offsets(entry: Any) -> Any:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(type(place) is int and place >= 0 for place in offsets)
    ):
        raise ValueError("its head does not say where its arrays lie")
    return tuple(offsets)


def _entry(
    name: str, entry: Any
) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    shape = entry.get("shape")
    if entry.get("dtype") not in DTYPES or not isinstance(shape, list):
        raise ValueError(f"{name} has the type {entry.get('dtype')!r}")
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"{name} has the shape {shape!r}")
    return DTYPES[entry["dtype"]], tuple(shape), _offsets(entry)
