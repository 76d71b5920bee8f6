"""Making a store: what is there already, and what is left to do."""

import contextlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from vild.checkpoints.locks import is_at, try_lock
from vild.data.stores.header import (
    FILE,
    Header,
    differences,
    header_bytes,
    read_header,
    store_key,
    write_header,
)
from vild.data.stores.shard import Entry, Shard, shard_bytes, shard_name, write_shard
from vild.errors import DataError, InputError
from vild.files import writing

_LOCK = ".lock"
_WAIT = 10.0  # seconds for the processes of somebody who was killed to end


@dataclass(frozen=True)
class Making:
    """A store that is being made; see `making`. It can be handed to processes.

    Attributes:
        folder: of the store.
        header: of the store.
        missing: indices of shards that are not there.
        failed: index of a shard that is there -> image id -> why it failed.
    """

    folder: Path
    header: Header
    missing: list[int]
    failed: dict[int, dict[int, str]]

    def content(self, index: int, entries: Mapping[int, Entry]) -> bytes:
        """A shard as it lies on disk.

        Args:
            index: of the shard.
            entries: image id -> what there is, in order of the dataset.

        Returns:
            The bytes, the same for the same entries.
        """
        key = store_key(header_bytes(self.header))
        return shard_bytes(self.header, key, index, entries)

    def write(self, index: int, content: bytes) -> None:
        """Writes a shard, whole or not at all.

        Args:
            index: of the shard.
            content: as above.

        Raises:
            InputError: if it cannot be written.
        """
        write_shard(self.folder, self.header, index, content)


@contextlib.contextmanager
def making(path: str | os.PathLike[str], header: Header) -> Iterator[Making]:
    """Begins a store, or goes on with one that was begun with the same header.

    Shards that are there and damaged are made anew, with a warning. Only one process,
    with its workers, may make a store at a time.

    Args:
        path: its folder; it is made.
        header: of `make_header`.

    Yields:
        What is left to do.

    Raises:
        DataError: if the folder holds something else, or a store with another header,
            or somebody else is making it.
        InputError: if it cannot be written.

    Example:
        >>> import numpy as np
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> from vild.data.stores.header import make_header
        >>> scenes = DrawnObjects("val:1")
        >>> header = make_header("proposals", scenes, 64)
        >>> with making("store", header) as work:
        ...     box = np.array([[4, 4, 60, 50]], np.float32)
        ...     entry = Entry(box, np.ones(1, np.float32))
        ...     work.write(0, work.content(0, {scenes[0].image_id: entry}))
        >>> from vild.data.stores import open_store
        >>> open_store("store")[1][0].tolist()
        [[4.0, 4.0, 60.0, 50.0]]
    """
    folder = Path(path)
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{str(folder)!r} is a file: name a folder for the store.")
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _claim(folder, header)
        yield _look(folder, header)


def _claim(folder: Path, header: Header) -> None:
    """Tells a folder of something else; writes the header into an empty one."""
    for rest in folder.glob(".*.tmp"):  # of somebody who was killed
        rest.unlink(missing_ok=True)
    others = [p.name for p in folder.iterdir() if p.name not in (FILE, _LOCK)]
    if not (folder / FILE).exists():
        if others:
            raise DataError(
                f"{str(folder)!r} holds {min(others)!r} but no store: name an empty "
                "or a new folder."
            )
        write_header(folder, header)
        return
    found, key = read_header(folder)
    if key != store_key(header_bytes(header)):
        odd = differences(found, header) or ["its header was written by hand"]
        raise DataError(
            f"{str(folder)!r} holds another store already: {'; '.join(odd)} as is "
            "asked for now. Name another folder, delete that one, or ask for the same."
        )


def _look(folder: Path, header: Header) -> Making:
    """Which shards are there, whole as far as their indices tell."""
    key = store_key(header_bytes(header))
    missing, failed = [], {}
    for index in range(header["shards"]):
        if not (folder / shard_name(index, header["shards"])).exists():
            missing.append(index)
            continue
        try:
            shard = Shard(folder, header, key, index)
        except DataError as error:
            warnings.warn(f"{error} It is made anew.", stacklevel=4)
            missing.append(index)
            continue
        if shard.failures:
            failed[index] = shard.failures
    return Making(folder, header, missing, failed)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps others from making the same store, for as long as this process lives."""
    path = folder / _LOCK
    until = time.monotonic() + _WAIT
    while True:
        with writing(path):
            file = path.open("a+b", buffering=0)
        with file:
            # Its last owner may have removed it before the lock was ours.
            if _ours(file) and is_at(file, path):
                try:
                    yield
                finally:
                    with contextlib.suppress(OSError):  # some keep what is open
                        path.unlink()
                return
        if time.monotonic() > until:
            raise DataError(
                f"Another process is making the store {str(folder)!r}: wait for it, or "
                "end it."
            )
        time.sleep(0.1)


def _ours(file: FileIO) -> bool:
    try:
        return try_lock(file)
    except OSError:  # a disk without locks
        return True
