"""One file of a store: some images, their boxes, and features of these."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from vild.data.stores.header import Header
from vild.data.stores.tensor_file import DTYPES, map_tensors, tensor_bytes
from vild.errors import DataError
from vild.files import replacing, writing

# What the index checksum is of, in this order.
_INDEX = ("image_ids", "ends", "checksums", "failures")
_ROWS = ("boxes", "scores", "features")


@dataclass(frozen=True)
class Entry:
    """What a store holds of one image.

    Attributes:
        boxes: (R, 4) float32 x1 y1 x2 y2 in pixels of the original image.
        scores: (R,) float32.
        features: (R, D) unit rows; None in a store of proposals.
        failure: why there is nothing; None if it went well.
    """

    boxes: np.ndarray
    scores: np.ndarray
    features: np.ndarray | None = None
    failure: str | None = None


def shard_name(index: int, shards: int) -> str:
    """What the file of a shard is called.

    Args:
        index: from 0.
        shards: how many there are.

    Returns:
        The name.

    Example:
        >>> shard_name(3, 12)
        'shard-00003-of-00012.safetensors'
    """
    return f"shard-{index:05d}-of-{shards:05d}.safetensors"


def shard_images(header: Header, index: int) -> range:
    """Which images of the dataset a shard is of.

    Args:
        header: of the store.
        index: of the shard.

    Returns:
        Their positions in the dataset.
    """
    start = index * header["images_per_shard"]
    stop = start + header["images_per_shard"]
    return range(start, min(stop, header["dataset"]["images"]))


def shard_bytes(
    header: Header, key: str, index: int, entries: Mapping[int, Entry]
) -> bytes:
    """Puts entries into the form of a file.

    Args:
        header: of the store.
        key: its `store_key`.
        index: of the shard.
        entries: image id -> what there is, in order of the dataset.

    Returns:
        The content of the file.
    """
    rows = list(entries.values())
    whole: dict[str, np.ndarray] = {
        "image_ids": np.array(list(entries), "<i8"),
        "ends": np.cumsum([len(entry.boxes) for entry in rows], dtype="<i8"),
        "boxes": _joined([entry.boxes for entry in rows], "<f4", 4),
        "scores": _joined([entry.scores for entry in rows], "<f4"),
        "checksums": np.zeros(len(rows), "<u4"),
    }
    if header["kind"] == "embeddings":
        dtype = np.dtype(header["dtype"]).newbyteorder("<")
        features = [entry.features for entry in rows if entry.features is not None]
        whole["features"] = _joined(features, dtype, header["dim"])
    reasons = {str(i): e.failure for i, e in entries.items() if e.failure is not None}
    text = json.dumps(reasons, separators=(",", ":"), ensure_ascii=True)
    whole["failures"] = np.frombuffer(text.encode(), "u1")
    parts = [whole[name] for name in _ROWS if name in whole]
    start = 0
    for row, stop in enumerate(whole["ends"].tolist()):
        whole["checksums"][row] = _checksum([part[start:stop] for part in parts])
        start = stop
    about = {
        "store": key,
        "shard": str(index),
        "index": f"{_checksum([whole[name] for name in _INDEX]):08x}",
    }
    return tensor_bytes(whole, about)


def write_shard(folder: Path, header: Header, index: int, content: bytes) -> None:
    """Writes a file of a store, whole or not at all.

    Args:
        folder: of the store.
        header: of the store.
        index: of the shard.
        content: of `shard_bytes`.

    Raises:
        InputError: if it cannot be written.
    """
    path = folder / shard_name(index, header["shards"])
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # its name must not outlive a power cut without it


class Shard:
    """A file of a store, mapped into memory and checked as far as it is read.

    Args:
        folder: of the store.
        header: of the store.
        key: its `store_key`.
        index: of the shard.

    Attributes:
        image_ids: (N,) int64.
        failures: image id -> why it failed.
        checksum: of the index, which holds the checksums of all rows.

    Raises:
        DataError: if it is missing, cut off, damaged, or of another store.
    """

    def __init__(self, folder: Path, header: Header, key: str, index: int) -> None:
        self.path = folder / shard_name(index, header["shards"])
        try:
            arrays, about = map_tensors(self.path)
        except FileNotFoundError:
            raise DataError(
                f"The shard {str(self.path)!r} is missing: fetch it, or run again the "
                "command that makes the store, which goes on where it stopped."
            ) from None
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error
        if about.get("store") != key or about.get("shard") != str(index):
            raise DataError(
                f"The shard {str(self.path)!r} belongs to another store, or its header "
                "was changed: put the right file there, or delete it and run again the "
                "command that makes the store."
            )
        self._arrays = arrays
        self._check_index(header, shard_images(header, index))
        self.checksum = _checksum([arrays[name] for name in _INDEX])
        if about.get("index") != f"{self.checksum:08x}":
            raise self._damaged("its index does not have its checksum")
        self.image_ids: np.ndarray = arrays["image_ids"]
        try:
            text = json.loads(arrays["failures"].tobytes())
            self.failures = {int(key): str(reason) for key, reason in text.items()}
        except (ValueError, AttributeError) as error:
            raise self._damaged(f"its failures cannot be read, {error}") from error

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def count(self) -> int:
        """How many boxes there are."""
        return len(self._arrays["boxes"])

    @cached_property
    def counts(self) -> np.ndarray:
        """(N,) int64: boxes of each image."""
        return np.diff(self._arrays["ends"], prepend=0)

    def __getitem__(self, row: int) -> tuple[np.ndarray, ...]:
        """Boxes, scores and features of an image, their checksum compared.

        Args:
            row: 0 to N - 1.

        Returns:
            (R, 4) float32, (R,) float32 and, of embeddings, (R, D), read-only.

        Raises:
            DataError: if they do not have their checksum.
        """
        stop = int(self._arrays["ends"][row])
        start = stop - int(self.counts[row])
        parts = tuple(
            self._arrays[name][start:stop] for name in _ROWS if name in self._arrays
        )
        if _checksum(parts) != self._arrays["checksums"][row]:
            raise self._damaged(
                f"the rows of image {self.image_ids[row]} do not have their checksum"
            )
        return parts

    def _check_index(self, header: Header, images: range) -> None:
        """Names, types and sizes of the arrays; and that the index makes sense."""
        count = self._arrays["boxes"].shape[0] if "boxes" in self._arrays else 0
        number = len(images)
        wanted: dict[str, tuple[str, tuple[int, ...] | None]] = {
            "image_ids": ("I64", (number,)),
            "ends": ("I64", (number,)),
            "boxes": ("F32", (count, 4)),
            "scores": ("F32", (count,)),
            "checksums": ("U32", (number,)),
            "failures": ("U8", None),
        }
        if header["kind"] == "embeddings":
            dtype = {"float16": "F16", "float32": "F32"}[header["dtype"]]
            wanted["features"] = (dtype, (count, header["dim"]))
        for name in sorted(wanted.keys() | self._arrays.keys()):
            dtype, shape = wanted.get(name, ("", ()))
            array = self._arrays.get(name)
            if array is None or array.dtype != DTYPES.get(dtype, ""):
                raise self._damaged(f"{name} is missing, unknown or of another type")
            if array.shape != shape and not (shape is None and array.ndim == 1):
                raise self._damaged(
                    f"{name} has the shape {array.shape}, expected {shape}"
                )
        ends = self._arrays["ends"]
        if (np.diff(ends, prepend=0) < 0).any() or ends[-1] != count:
            raise self._damaged("the boxes of its images do not follow each other")

    def _damaged(self, why: object) -> DataError:
        return DataError(
            f"The shard {str(self.path)!r} is damaged: {why}; fetch it again, or "
            "delete it and run again the command that makes the store."
        )


def _joined(parts: Sequence[np.ndarray], dtype: Any, *row: int) -> np.ndarray:
    empty = np.zeros((0, *row), dtype)
    return np.concatenate([empty, *(part.astype(dtype) for part in parts)])


def _checksum(parts: Sequence[np.ndarray]) -> int:
    """CRC-32C of the bytes of all, one after the other."""
    crc = 0
    for part in parts:
        crc = google_crc32c.extend(crc, np.ascontiguousarray(part))
    return crc
