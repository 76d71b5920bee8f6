"""Any dataset into TFRecords of the released schema, by several processes."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vild.data.dataset import Dataset
from vild.data.processes import check_workers, in_processes
from vild.data.record_about import About, about_path, read_about, write_about
from vild.data.record_schema import to_features
from vild.data.tf_example import encode_example
from vild.data.tfrecord import write_tfrecord
from vild.errors import DataError, InputError

_IN_A_SHARD = 500  # images


def write_records(
    dataset: Dataset,
    out: str | os.PathLike[str],
    split: str = "train",
    shards: int | None = None,
    workers: int = 1,
) -> list[Path]:
    """Writes a dataset as TFRecords of the released schema.

    A file appears when it is whole. If the work is cut off, the same call goes on
    with the files that are not there yet.

    Args:
        dataset: what to write.
        out: the folder; it is made.
        split: what the names of the files begin with.
        shards: how many files, `{split}-00000-of-00032.tfrecord` and so on, each a
            stretch of the dataset; None for one per 500 images. Beside them lies
            `{split}.json` with the categories.
        workers: how many processes.

    Returns:
        The files.

    Raises:
        DataError: if an image is missing or damaged, or the folder holds such files
            of another dataset.
        InputError: if the folder cannot be written or a number makes no sense.

    Example:
        >>> class Empty:
        ...     name, categories = "empty", ()
        ...     def __len__(self):
        ...         return 0
        ...     def __getitem__(self, index):
        ...         raise IndexError(index)
        >>> [path.name for path in write_records(Empty(), "records", "val")]
        ['val-00000-of-00001.tfrecord']
    """
    folder = Path(out)
    check_workers(workers)
    if not split or Path(split).name != split or any(c in split for c in "*?["):
        raise InputError(f"A split needs a plain name, e.g. 'val', received {split!r}.")
    if shards is None:
        shards = max(1, math.ceil(len(dataset) / _IN_A_SHARD))
    if not 1 <= shards <= 99_999:
        raise InputError(f"Shards must be 1 to 99999, received {shards}.")
    paths = [
        folder / f"{split}-{index:05d}-of-{shards:05d}.tfrecord"
        for index in range(shards)
    ]
    _claim(folder, split, About.of(dataset, shards))
    names = {category.id: category.name for category in dataset.categories}
    bounds = [_bound(len(dataset), shards, index) for index in range(shards + 1)]
    jobs = [
        _Job(path, start, stop)
        for path, start, stop in zip(paths, bounds[:-1], bounds[1:], strict=True)
        if not path.exists()
    ]
    try:
        in_processes(
            _write_shard,
            (dataset, names),
            jobs,
            workers=workers,
            total=sum(job.stop - job.start for job in jobs),
        )
    finally:
        for job in jobs:  # what a worker that was killed has left
            for rest in folder.glob(f".{job.path.name}.*.tmp"):
                with contextlib.suppress(OSError):
                    rest.unlink()
    return paths


@dataclass(frozen=True)
class _Job:
    """One file: the images from start to before stop."""

    path: Path
    start: int
    stop: int


def _bound(length: int, shards: int, index: int) -> int:
    """Where a shard begins: the first ones are larger by one, as released."""
    size, rest = divmod(length, shards)
    return index * size + min(index, rest)


def _claim(folder: Path, split: str, about: About) -> None:
    """Tells whether files that are there already are of the same dataset."""
    found = read_about(folder, split)
    if found == about:
        return
    others = sorted(folder.glob(f"{split}-*-of-*.tfrecord"))
    if others and found is None:
        raise DataError(
            f"{str(folder)!r} holds {others[0].name!r} already, from elsewhere: name "
            "another folder or split, or delete those files."
        )
    if others and found is not None:
        raise DataError(
            f"{str(folder)!r} holds {split!r} already, {found.examples} images of "
            f"{found.dataset!r} in {found.shards} files, which is not what is to be "
            f"written ({about.examples} images of {about.dataset!r} in {about.shards} "
            "files, or its annotations have changed): name another folder or split, "
            "or delete those files."
        )
    write_about(about_path(folder, split), about)


def _write_shard(
    common: tuple[Dataset, dict[int, str]], job: _Job, done: Callable[[], None]
) -> None:
    dataset, names = common

    def records() -> Iterator[bytes]:
        for index in range(job.start, job.stop):
            yield encode_example(to_features(dataset[index], names))
            done()

    write_tfrecord(job.path, records())
