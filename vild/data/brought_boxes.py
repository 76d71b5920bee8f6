"""Boxes that a person brings: a json in COCO's form."""

import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.dataset import Dataset
from vild.errors import DataError


class BroughtBoxes:
    """Boxes of a json, by image.

    Args:
        path: a list of results, each with `image_id`, `bbox` (x y width height in
            pixels) and perhaps `score`; or COCO's annotations, an object with such a
            list as `annotations`. What the boxes show plays no part; without a score
            they score 1.

    Attributes:
        path: of the json.
        digest: SHA-256 of the file.

    Raises:
        DataError: if it cannot be read, or has another form.

    Example:
        >>> _ = Path("b.json").write_text('[{"image_id": 7, "bbox": [1, 2, 3, 4]}]')
        >>> BroughtBoxes("b.json")[7]
        (array([[1., 2., 4., 6.]], dtype=float32), array([1.], dtype=float32))
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            raw = self.path.read_bytes()
            whole = json.loads(raw)
        except (OSError, ValueError) as error:
            raise DataError(
                f"The boxes {str(self.path)!r} cannot be read ({error}): expected a "
                "json in COCO's form."
            ) from error
        self.digest = hashlib.sha256(raw).hexdigest()
        entries = whole.get("annotations") if isinstance(whole, dict) else whole
        if not isinstance(entries, list):
            raise self._wrong("neither a list nor an object with `annotations`")
        ids, rows = [], []
        for number, entry in enumerate(entries):
            image_id, row = self._row(number, entry)
            ids.append(image_id)
            rows.append(row)
        table = np.array(rows, np.float32).reshape(-1, 5)
        table[:, 2:4] += table[:, :2]
        order = np.argsort(ids, kind="stable") if ids else np.zeros(0, np.int64)
        self._table = table[order]
        self._ids = np.array(ids, np.int64)[order]

    def __getitem__(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """The boxes of an image.

        Args:
            image_id: any.

        Returns:
            (R, 4) float32 x1 y1 x2 y2 in pixels and (R,) float32 scores, in the
            order of the file; none for an image that is not in it.
        """
        start, stop = np.searchsorted(self._ids, [image_id, image_id + 1])
        part = self._table[start:stop]
        return part[:, :4].copy(), part[:, 4].copy()

    def check_belongs(self, dataset: Dataset) -> None:
        """Tells boxes of another dataset before anything is written.

        Args:
            dataset: that they are to be used with.

        Raises:
            DataError: if none of the boxes is of one of its images.
        """
        if not len(self._ids):
            return
        known = set(self._ids.tolist())
        if not any(dataset[i].image_id in known for i in range(len(dataset))):
            raise DataError(
                f"No box in {str(self.path)!r} is of an image of {dataset.name!r}: the "
                f"first is of image {self._ids[0]}, the dataset's first image is "
                f"{dataset[0].image_id}."
            )

    def warn_of_others(self, image_ids: np.ndarray) -> None:
        """Counts boxes of other images, and images without boxes.

        Args:
            image_ids: (N,) of the dataset.
        """
        strange = int((~np.isin(self._ids, image_ids)).sum())
        bare = len(image_ids) - len(np.intersect1d(image_ids, self._ids))
        said = [f"{strange} boxes are of images that the dataset lacks"] * (strange > 0)
        said += [f"{bare} images of the dataset have no boxes"] * (bare > 0)
        if said:
            warnings.warn(
                f"Of {str(self.path)!r}: {', and '.join(said)}.", stacklevel=3
            )

    def _row(self, number: int, entry: Any) -> tuple[int, list[float]]:
        try:
            image_id, box = entry["image_id"], entry["bbox"]
            row = [float(side) for side in (*box, entry.get("score", 1.0))]
        except (KeyError, TypeError, ValueError, AttributeError):
            row = []
            image_id = None
        if len(row) != 5 or type(image_id) is not int or not np.isfinite(row).all():
            raise self._wrong(
                f"entry {number}, {str(entry)[:80]}, lacks a whole image_id, a bbox of "
                "four numbers, or a number as score"
            )
        return image_id, row

    def _wrong(self, what: str) -> DataError:
        return DataError(
            f"The boxes {str(self.path)!r} are not in COCO's form: {what}."
        )
