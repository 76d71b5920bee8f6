"""Datasets in the TFRecords of the released code: read and written."""

import glob
import hashlib
import json
import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from vild.data.categories import Category
from vild.data.example import Example
from vild.data.lvis import lvis_categories
from vild.data.record_about import read_about
from vild.data.record_schema import from_features
from vild.data.record_writing import write_records
from vild.data.tf_example import decode_example
from vild.data.tfrecord import TFRecordFile
from vild.errors import DataError

__all__ = ["Records", "write_records"]

_SHARD = re.compile(r"(?P<split>.*)-(?P<index>\d{5})-of-(?P<count>\d{5})(\..*)?")


class Records:
    """A dataset in TFRecords of the released schema.

    Args:
        pattern: files with wildcards, e.g. `data/val-*.tfrecord`; a folder, which
            stands for the `*.tfrecord` right in it; or a list of files.
        categories: what the labels mean; None for what `write_records` has left
            beside the files, or else the 1203 of LVIS v1.
        name: of the dataset; None for what `write_records` has left, or else that
            of the files.

    Raises:
        DataError: if there are no files, one of a numbered set is missing, they are
            of several splits, or one is cut off.

    Example:
        >>> from vild.data.tfrecord import write_tfrecord
        >>> _ = write_tfrecord("val-00000-of-00001.tfrecord", [])
        >>> len(Records("val-*.tfrecord"))
        0
    """

    def __init__(
        self,
        pattern: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        categories: Sequence[Category] | None = None,
        name: str | None = None,
    ) -> None:
        paths = _find(pattern)
        split = _one_split(paths)
        if isinstance(pattern, str | os.PathLike) and not Path(pattern).is_file():
            _check_complete(paths)
        self._files = [TFRecordFile(path) for path in paths]
        self._ends = list(accumulate(len(file) for file in self._files))
        about = read_about(paths[0].parent, split)
        self.name = name or (about.dataset if about else f"{paths[0].parent}/{split}")
        if categories is None:
            categories = about.categories if about else lvis_categories()
        self.categories = tuple(categories)
        self._known = {category.id for category in self.categories}
        self.fingerprint = _fingerprint(paths)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Example:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, not {index}")
        index %= len(self)
        which = bisect_right(self._ends, index)
        file = self._files[which]
        row = index - (self._ends[which] - len(file))
        place = f"Record {row} of {str(file.path)!r}"
        record = file[row]
        try:
            features = decode_example(record)
        except DataError as error:
            raise DataError(f"{place} is damaged: {error}") from error
        try:
            example = from_features(features)
        except DataError as error:
            raise DataError(
                f"{place} {str(error).rstrip('.')}: expected the released schema."
            ) from error
        if example.picture.name is None:
            picture = replace(example.picture, name=place)
            example = replace(example, picture=picture)
        unknown = set(example.category_ids.tolist()) - self._known
        if unknown:
            raise DataError(
                f"{place} has an object of the category {min(unknown)}, which is none "
                f"of the {len(self._known)} categories: pass `categories`."
            )
        return example


def _find(
    pattern: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> list[Path]:
    if isinstance(pattern, str | os.PathLike):
        path = Path(pattern)
        if path.is_file():
            return [path]
        if path.is_dir():
            path = Path(glob.escape(str(path))) / "*.tfrecord"
        # Path.glob takes no pattern that begins at the root.
        found = map(Path, sorted(glob.glob(str(path))))  # noqa: PTH207
        paths = [path for path in found if path.is_file() and path.suffix != ".json"]
    else:
        paths = [Path(path) for path in pattern]
    if not paths:
        raise DataError(
            f"There are no TFRecord files {str(pattern)!r}: give a folder that holds "
            "*.tfrecord, or a pattern such as folder/val-*."
        )
    return paths


def _check_complete(paths: list[Path]) -> None:
    """Tells a missing file of a numbered set."""
    for path in paths:
        match = _SHARD.fullmatch(path.name)
        if match and int(match["count"]) != len(paths):
            raise DataError(
                f"{path.name!r} is one of {int(match['count'])} files, but "
                f"{len(paths)} are there: fetch the others, or name the files to be "
                "read one by one."
            )


def _split(path: Path) -> str:
    match = _SHARD.fullmatch(path.name)
    return match["split"] if match else path.name.split(".")[0]


def _one_split(paths: list[Path]) -> str:
    numbered = {_split(path) for path in paths if _SHARD.fullmatch(path.name)}
    if len(numbered) > 1:
        first = sorted(numbered)[0]
        raise DataError(
            f"The files are of several splits ({', '.join(sorted(numbered))}): name "
            f"one, e.g. '{paths[0].parent}/{first}-*'."
        )
    return numbered.pop() if numbered else _split(paths[0])


def _fingerprint(paths: list[Path]) -> str:
    """Changes when files do, without reading them."""
    facts = [[path.name, path.stat().st_size] for path in paths]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
