"""Predictions from a json of results, checked against the ground truth."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.rle import covered, rle_area
from vild.errors import DataError
from vild.evaluation.id_checks import rows_of_categories, rows_of_images
from vild.evaluation.overlaps import mask_api, to_rle
from vild.evaluation.predictions import Predictions
from vild.evaluation.results_json import ResultsPart, json_decoder, read_parts
from vild.evaluation.truth import Truth

# Masks whose run lengths are added up at once: more would only take more memory.
_TOGETHER = 256


def read_results(
    path: str | Path,
    truth: Truth,
    *,
    masks: bool = True,
    classes: bool = True,
    own: bool = False,
) -> Predictions:
    """Reads results in COCO's form.

    Only masks that some object will be compared with are kept, as run lengths.

    Args:
        path: a json: a list of results with `image_id`, `category_id`, `score`,
            `bbox` (x y width height in pixels) and, for masks, `segmentation`.
        truth: what they are held against.
        masks: whether masks are wanted.
        classes: whether categories matter.
        own: whether vild wrote them, which may then be empty and odd without a word.

    Returns:
        The predictions, in the order of the file. Where results have no boxes, these
        are drawn around the masks. Their area is that of the box where there is one,
        as in the COCO and LVIS packages.

    Raises:
        DataError: if it is empty, of another form, or speaks of images or categories
            that the ground truth lacks.
        BackendError: if msgspec, or for masks pycocotools, is not installed.
    """
    path = Path(path)
    reader = _Reader(path, truth, masks, classes)
    for part in read_parts(path):
        reader.add(part)
    found = reader.predictions()
    if not len(found) and not own:
        raise DataError(
            f"The results {str(path)!r} are empty: check that the detector found "
            "anything, and that it wrote to this file."
        )
    if not own:
        warn_of_odd(found, truth, path)
    return found


class _Reader:
    def __init__(self, path: Path, truth: Truth, masks: bool, classes: bool) -> None:
        self._path, self._truth, self._masks = path, truth, masks
        self._classes = classes
        self._there = np.unique(truth.key(truth.image, truth.category))
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._kept = bytearray()
        self._ends = [0]
        self._rows: list[np.ndarray] = []
        self._count = 0
        self._decode = json_decoder()
        self._api = mask_api() if masks else None

    def add(self, part: ResultsPart) -> None:
        truth, path = self._truth, self._path
        if not len(part):
            return
        image = rows_of_images(part.image_ids, truth, path)
        category = np.zeros(len(part), np.int32)
        if self._classes:
            category = rows_of_categories(part.category_ids, truth, path)
        boxes, areas = part.boxes, np.zeros(0)
        if boxes is not None:
            areas = boxes[:, 2] * boxes[:, 3]
        elif part.masks is not None:
            boxes, areas = self._from_masks(part.masks, image)
        else:
            raise DataError(
                f"The results {str(path)!r} have neither bbox nor segmentation: write "
                "one of them."
            )
        self._parts.append((image, category, boxes, part.scores, areas))
        if self._masks and part.masks is not None:
            self._keep(part.masks, image, truth.key(image, category))
        self._count += len(part)
        if self._rows and (len(self._rows) != len(self._parts)):
            raise DataError(
                f"Some results of {str(path)!r} have a segmentation and some have "
                "none: write it for all of them or for none."
            )

    def predictions(self) -> Predictions:
        if not self._parts:
            rows, none = np.zeros(0, np.int32), np.zeros(0)
            masks = self._mask if self._masks else None
            return Predictions(rows, rows, np.zeros((0, 4)), none, none, masks)
        joined = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        image, category, boxes, scores, areas = joined
        self._parts.clear()
        masks = self._mask if self._rows else None
        found = Predictions(image, category, boxes, scores, areas, masks)
        if self._rows:
            self._row_of = np.concatenate(self._rows)
            self._image = image
        return found

    def _keep(self, masks: list[Any], image: np.ndarray, keys: np.ndarray) -> None:
        at = np.searchsorted(self._there, keys).clip(max=max(len(self._there) - 1, 0))
        there = self._there[at] == keys if len(self._there) else np.zeros(0, bool)
        wanted = np.flatnonzero(there)
        self._check_runs([masks[row] for row in wanted], image[wanted])
        for row in wanted:
            self._kept += bytes(masks[row])
            self._ends.append(len(self._kept))
        self._rows.append(self._count + wanted)

    def _mask(self, index: int) -> Any:
        """The run lengths of a result."""
        place = int(np.searchsorted(self._row_of, index))
        assert self._row_of[place] == index
        text = self._kept[self._ends[place] : self._ends[place + 1]]
        return self._run_lengths(bytes(text), int(self._image[index]))

    def _from_masks(
        self, masks: list[Any], image: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        self._api = self._api or mask_api()
        self._check_runs(masks, image)
        rles = [
            self._run_lengths(bytes(mask), row)
            for mask, row in zip(masks, image.tolist(), strict=True)
        ]
        # Not api.area, which fails above 255 pixels with NumPy 2 (pycocotools 2.0.11).
        areas = np.array([rle_area(rle) for rle in rles], np.float64)
        return self._api.toBbox(rles).reshape(-1, 4), areas

    def _check_runs(self, masks: list[Any], image: np.ndarray) -> None:
        """Comparing run lengths that do not cover their image would never end."""
        for start in range(0, len(masks), _TOGETHER):
            part = slice(start, start + _TOGETHER)
            self._check_some(masks[part], self._truth.sizes[image[part]].tolist())

    def _check_some(self, masks: list[Any], sizes: list[list[int]]) -> None:
        counts, pixels = [], []
        for mask, size in zip(masks, sizes, strict=True):
            try:
                runs = self._decode(mask)
                packed, whole = runs["counts"], list(runs["size"]) == size
            except (ValueError, TypeError, KeyError):
                continue  # polygons; or damage, which is told when they are needed
            if whole and isinstance(packed, str):
                counts.append(packed)
                pixels.append(size[0] * size[1])
        wrong = np.flatnonzero(covered(counts) != pixels)
        if len(wrong):
            raise DataError(
                f"A mask of {str(self._path)!r} has run lengths that do not add up to "
                f"the size of its image: {counts[wrong[0]][:80]!r}. Write it again."
            )

    def _run_lengths(self, text: bytes, image: int) -> Any:
        size = self._truth.sizes[image]
        try:
            mask = self._decode(text)
            polygons = isinstance(mask, list)
            if polygons:
                if not mask or min(map(len, mask)) < 6:
                    raise ValueError("a polygon has at least three points")
                mask = [np.array(polygon, np.float64) for polygon in mask]
            elif list(mask["size"]) != size.tolist():
                raise DataError(
                    f"A mask of {str(self._path)!r} is {mask['size']} pixels, but its "
                    f"image {self._truth.image_ids[image]} is {size.tolist()} (height, "
                    "width): write masks at the size of the image."
                )
            return to_rle(mask, size, self._api)
        except DataError:
            raise
        except Exception as error:  # damage shows itself in many ways
            raise DataError(
                f"A segmentation of {str(self._path)!r} is neither run lengths nor "
                f"polygons ({error}): {text[:80].decode(errors='replace')}."
            ) from error


def warn_of_odd(found: Predictions, truth: Truth, path: Path) -> None:
    """Warns of boxes that are likely meant otherwise. They count as they are.

    Args:
        found: the predictions.
        truth: what they are held against.
        path: of the file, for messages.
    """
    name, boxes = repr(str(path)), found.boxes
    size = truth.sizes[found.image][:, ::-1]
    far = boxes[:, :2] + boxes[:, 2:]
    outside = ((far <= 0) | (boxes[:, :2] >= size)).any(axis=1)
    reach = (far > 1.05 * size + 2).any(axis=1)
    corners = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= size + 1)
    real = found.areas > 0
    if real.sum() >= 10 and (boxes[real] <= 1.01).all():
        _warn(f"No box of {name} is larger than a pixel: write them in pixels.")
    elif reach.mean() > 0.3 and corners.all(axis=1).mean() > 0.95:
        _warn(
            f"{reach.mean():.0%} of the boxes of {name} reach out of their image, but "
            "all would fit if they were x1 y1 x2 y2: write x y width height."
        )
    elif outside.any():
        _warn(
            f"{outside.sum()} boxes of {name} lie outside of their image: they count "
            "as mistakes."
        )
    twice = _duplicates(found.keep(real), truth)
    if twice:
        _warn(
            f"{twice} results of {name} are there more than once: each after the "
            "first counts as a mistake."
        )


def _duplicates(found: Predictions, truth: Truth) -> int:
    """How many results equal another one, which comes before."""
    key = truth.key(found.image, found.category)
    # A hash sorts faster than the results, of which few are ever alike.
    mixed = found.scores.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    order = np.argsort(mixed ^ key.astype(np.uint64))
    near = mixed[order[1:]] ^ mixed[order[:-1]] == key[order[1:]] ^ key[order[:-1]]
    if not near.any():
        return 0
    rows = np.unique(np.r_[order[:-1][near], order[1:][near]])
    facts = np.column_stack([key[rows], found.scores[rows], found.boxes[rows]])
    return len(rows) - len(np.unique(facts, axis=0))


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=5)
