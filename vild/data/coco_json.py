"""Annotations in the json of COCO and LVIS, kept compactly."""

import hashlib
import json
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.segments import Segments
from vild.errors import DataError


class CocoJson:
    """A json of annotations, read once and kept in arrays.

    Args:
        path: the json.
        files: whether every image must name its file.

    Attributes:
        categories: as they are there.
        image_ids: (I,) int64.
        sizes: (I, 2) int64: height and width in pixels.
        file_names: for each image `file_name` and `coco_url`, "" where not given.
        negative_ids, not_exhaustive_ids: for each image (M,) int64.
        boxes: (A, 4) float64 x y width height in pixels, as they are there.
        image_of, category_of: (A,) int64: ids.
        areas: (A,) float64 in square pixels; those of the boxes where not given.
        crowd: (A,) bool.
        ignored: (A,) bool: flagged as `ignore` or, as some of VOC are, `difficult`.
        ids: (A,) int64; from 1 on where they are no numbers.
        segments: A masks.
        federated: whether each image says which categories are certainly not there,
            and which are annotated in part.
        measured: whether each annotation has an area.
        fingerprint: of the content.

    Raises:
        DataError: if it is missing, no json or not of that form.

    Example:
        >>> from pathlib import Path
        >>> text = '{"images": [], "annotations": [], "categories": []}'
        >>> _ = Path("a.json").write_text(text)
        >>> CocoJson("a.json").boxes.shape
        (0, 4)
    """

    def __init__(self, path: str | os.PathLike[str], *, files: bool = True) -> None:
        self.path = Path(path)
        self._files = files
        self.segments = Segments()
        self._boxes, self._areas = array("d"), array("d")
        self._images, self._categories = array("q"), array("q")
        self._ids = array("q")
        self._crowd, self._ignored = array("b"), array("b")
        self.measured = True
        content = self._parse()
        # Only annotations that are none are left in their list.
        for entry in content["annotations"]:
            if entry is not None:
                raise self._wrong("an annotation", entry, "image_id and category_id")
        self.categories: list[dict[str, Any]] = content["categories"]
        self._read_images(content["images"])
        self.boxes = np.frombuffer(self._boxes).reshape(-1, 4)
        self.areas = np.frombuffer(self._areas)
        self.image_of = np.frombuffer(self._images, np.int64)
        self.category_of = np.frombuffer(self._categories, np.int64)
        self.crowd = np.frombuffer(self._crowd, bool)
        self.ignored = np.frombuffer(self._ignored, bool)
        self.ids = np.frombuffer(self._ids, np.int64)
        # Kept alive by their views, but handed to other processes once.
        del self._boxes, self._areas, self._images, self._categories
        del self._crowd, self._ignored, self._ids
        self._check()

    def _parse(self) -> dict[str, Any]:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise DataError(
                f"The annotations {str(self.path)!r} cannot be read "
                f"({error.strerror or error}): check the path and its permissions."
            ) from error
        self.fingerprint = hashlib.sha256(data).hexdigest()
        try:
            content = json.loads(data, object_hook=self._take)
        except (ValueError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"The annotations {str(self.path)!r} are no json ({error}): fetch the "
                "file again."
            ) from error
        for key in ("images", "annotations", "categories"):
            value = content.get(key) if isinstance(content, dict) else None
            if not isinstance(value, list):
                raise DataError(
                    f"Expected the json {str(self.path)!r} to be of COCO's or LVIS's "
                    f"form, but it has no list {key!r}: give the file with boxes, "
                    "e.g. instances_val2017.json or lvis_v1_val.json."
                )
        return content

    def _take(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        """Takes an annotation out of the json while that is parsed."""
        if "image_id" not in entry or "category_id" not in entry:
            return entry
        try:
            x, y, width, height = map(float, entry["bbox"])
            self.segments.add(entry.get("segmentation"))
            self._boxes.extend((x, y, width, height))
            area = entry.get("area")
            self._areas.append(width * height if area is None else area)
            self.measured &= area is not None
            self._images.append(whole(entry["image_id"]))
            self._categories.append(whole(entry["category_id"]))
            self._crowd.append(bool(entry.get("iscrowd", 0)))
            ignored = entry.get("ignore", 0) or entry.get("difficult", 0)
            self._ignored.append(bool(ignored))
            number = entry.get("id")
            numbered = isinstance(number, int | float)
            self._ids.append(whole(number) if numbered else len(self._ids) + 1)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            wanted = (
                "whole numbers as image_id and category_id, bbox as [x, y, width, "
                "height] and a segmentation of polygons, or of run lengths that cover "
                "the image, all in pixels"
            )
            raise self._wrong("an annotation", entry, wanted) from error
        return None

    def _read_images(self, images: list[Any]) -> None:
        ids, sizes = array("q"), array("q")
        self.file_names: list[tuple[str, str]] = []
        negative, not_exhaustive = [], []
        self.federated = True
        for entry in images:
            try:
                ids.append(whole(entry["id"]))
                sizes.extend((whole(entry["height"]), whole(entry["width"])))
                names = entry.get("file_name") or "", entry.get("coco_url") or ""
                named = any(names) or not self._files
                if not named or not all(isinstance(name, str) for name in names):
                    raise ValueError("no name")
                self.file_names.append(names)
                negative.append(_ids(entry.get("neg_category_ids")))
                not_exhaustive.append(_ids(entry.get("not_exhaustive_category_ids")))
                self.federated &= "neg_category_ids" in entry
                self.federated &= "not_exhaustive_category_ids" in entry
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                wanted = (
                    "whole numbers as id, height and width, and a text as file_name "
                    "or coco_url"
                )
                raise self._wrong("an image", entry, wanted) from error
        self.image_ids = np.frombuffer(ids, np.int64)
        self.sizes = np.frombuffer(sizes, np.int64).reshape(-1, 2)
        self.negative_ids = Ragged(negative)
        self.not_exhaustive_ids = Ragged(not_exhaustive)

    def _check(self) -> None:
        unique, counts = np.unique(self.image_ids, return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f"Two images of {str(self.path)!r} have the id "
                f"{unique[counts > 1][0]}: give each its own."
            )
        if (self.sizes < 1).any():
            bad = self.image_ids[(self.sizes < 1).any(axis=1)][0]
            raise DataError(
                f"The image {bad} of {str(self.path)!r} has no height or width: mend "
                "its entry."
            )
        finite = np.isfinite(self.boxes).all(axis=1) & np.isfinite(self.areas)
        if not finite.all():
            bad = int(np.flatnonzero(~finite)[0])
            raise DataError(
                f"Annotation {bad} (from 0) of {str(self.path)!r} has a number that is "
                f"not finite, bbox {self.boxes[bad].tolist()}: mend its entry."
            )

    def _wrong(self, what: str, entry: Any, wanted: str) -> DataError:
        shown = repr(entry)
        return DataError(
            f"Expected {what} of {str(self.path)!r} to have {wanted}, received "
            f"{shown[:160]}{'...' if len(shown) > 160 else ''}: mend its entry."
        )


class Ragged:
    """Lists of whole numbers of different lengths, in two arrays.

    Args:
        lists: the lists.

    Example:
        >>> Ragged([[1, 2], [], [3]])[0].tolist()
        [1, 2]
    """

    def __init__(self, lists: Iterable[Iterable[int]]) -> None:
        values, ends = array("q"), array("q", [0])
        for numbers in lists:
            values.extend(numbers)
            ends.append(len(values))
        self._values = np.frombuffer(values, np.int64)
        self._ends = np.frombuffer(ends, np.int64)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._values[self._ends[index] : self._ends[index + 1]].copy()


def _ids(value: Any) -> "array[int]":
    return array("q", map(whole, value or ()))


def whole(number: Any) -> int:
    """A whole number of a json, which may be written as 3.0.

    Args:
        number: of the json.

    Returns:
        The number.

    Raises:
        ValueError: if it is none, or has more than 63 bits.

    Example:
        >>> whole(3.0)
        3
    """
    if type(number) is not int:
        if type(number) is not float or not number.is_integer():
            raise ValueError(f"{number!r} is no whole number")
        number = int(number)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{number} is too large")
    return number
