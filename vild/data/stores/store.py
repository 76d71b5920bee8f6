"""A store that is read: by image, mapped into memory, checked as it is read."""

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.stores.header import Header
from vild.data.stores.shard import Shard, shard_images, shard_name
from vild.errors import DataError

# Each mapped file keeps a descriptor, of which a process may have some thousand.
_MAPPED = 64


class Store:
    """A store by image id; made by `open_store`.

    Only indices are read until rows are asked for. It can be handed to other
    processes and read in several threads.

    Args:
        path: its folder.
        header: its header.
        key: what ties shards to the header.
        partial: whether shards may be missing.

    Attributes:
        path: its folder.
        header: what `header.json` says, a dict.
        failures: image id -> why there is nothing of it.
        missing_shards: of a partial store, which shards are not there.

    Raises:
        DataError: if a shard is missing, damaged or of another store, or an image is
            there twice.
    """

    def __init__(self, path: Path, header: Header, key: str, partial: bool) -> None:
        self.path, self.header, self._key = path, header, key
        self.failures: dict[int, str] = {}
        self.missing_shards: list[int] = []
        self._checksums: dict[int, int] = {}
        ids, places, counts = [], [], []
        for index in range(header["shards"]):
            if partial and not (path / shard_name(index, header["shards"])).exists():
                self.missing_shards.append(index)
                continue
            shard = Shard(path, header, key, index)
            self._checksums[index] = shard.checksum
            self.failures |= shard.failures
            # Copies: so that the file can be closed.
            ids.append(shard.image_ids.copy())
            counts.append(shard.counts)
            places.append(np.arange(len(shard)) + shard_images(header, index)[0])
        self._ids = np.concatenate([np.zeros(0, np.int64), *ids])
        self._places = np.concatenate([np.zeros(0, np.int64), *places])
        self._counts = np.concatenate([np.zeros(0, np.int64), *counts])
        self._order = np.argsort(self._ids, kind="stable")
        ordered = self._ids[self._order]
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise DataError(
                f"The store {str(path)!r} has the image {twice[0]} twice: the ids of a "
                "dataset must differ."
            )
        strange = self.failures.keys() - set(self._ids.tolist())
        if strange:
            raise DataError(
                f"The store {str(path)!r} calls image {min(strange)} failed, but has "
                "no such image: make it anew."
            )
        self._open_shards()

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        """Image ids, in order of the dataset."""
        return iter(self._ids.tolist())

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, int | np.integer) and self._find(image_id) >= 0

    def __repr__(self) -> str:
        name = self.header["dataset"]["name"]
        return f"{type(self).__name__}({len(self)} images of {name})"

    @property
    def kind(self) -> str:
        """`"proposals"` or `"embeddings"`."""
        return str(self.header["kind"])

    @property
    def failed(self) -> set[int]:
        """Ids of the images of which there is nothing, since something failed."""
        return set(self.failures)

    @property
    def image_ids(self) -> np.ndarray:
        """(N,) int64, in order of the dataset."""
        return self._ids

    @property
    def counts(self) -> np.ndarray:
        """(N,) int64: how many boxes each image has, in order of the dataset."""
        return self._counts

    @functools.cached_property
    def fingerprint(self) -> str:
        """64 digits that change with the header and with any row."""
        digest = hashlib.sha256(self._key.encode())
        for index, checksum in sorted(self._checksums.items()):
            digest.update(f" {index}:{checksum:08x}".encode())
        return digest.hexdigest()

    def _rows(self, image_id: int) -> tuple[np.ndarray, ...]:
        position = self._find(image_id)
        if position < 0:
            dataset = self.header["dataset"]
            raise DataError(
                f"The store {str(self.path)!r} has no image {image_id}; it holds "
                f"{len(self)} of the {dataset['images']} images of "
                f"{dataset['name']!r}: use it with the dataset that it was made for."
            )
        place = int(self._places[position])
        index, row = divmod(place, self.header["images_per_shard"])
        shard = self._shard(index)
        if shard.checksum != self._checksums[index]:
            raise DataError(
                f"The shard {str(shard.path)!r} was written anew while the store was "
                "in use: open the store again."
            )
        return shard[row]

    def _find(self, image_id: int | np.integer) -> int:
        at = int(np.searchsorted(self._ids, image_id, sorter=self._order))
        if at < len(self._ids) and self._ids[self._order[at]] == image_id:
            return int(self._order[at])
        return -1

    def _open_shards(self) -> None:
        self._shard = functools.lru_cache(_MAPPED)(
            functools.partial(Shard, self.path, self.header, self._key)
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_shard"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open_shards()


class ProposalStore(Store):
    """Boxes of images, class-agnostic, best first; made by `open_store`."""

    def __getitem__(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """The boxes of an image.

        Args:
            image_id: of the dataset.

        Returns:
            (R, 4) float32 x1 y1 x2 y2 in pixels of the original image, and (R,)
            float32 scores; none if it failed.

        Raises:
            DataError: if there is no such image, or its rows are damaged.
        """
        boxes, scores = self._rows(image_id)
        return boxes, scores


class EmbeddingStore(Store):
    """Boxes of images and a teacher's features of them; made by `open_store`."""

    @property
    def teacher(self) -> dict[str, Any] | None:
        """Fingerprint of the teacher; None if it has none."""
        mark: dict[str, Any] | None = self.header.get("teacher")
        return mark

    def __getitem__(self, image_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes and features of an image.

        Args:
            image_id: of the dataset.

        Returns:
            (R, 4) float32 x1 y1 x2 y2 in pixels of the original image, (R,) float32
            scores, and (R, D) unit rows as they are stored; none if it failed.

        Raises:
            DataError: if there is no such image, or its rows are damaged.
        """
        boxes, scores, features = self._rows(image_id)
        return boxes, scores, features
