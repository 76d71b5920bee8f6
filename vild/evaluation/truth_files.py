"""What is really in the images, from a json of annotations."""

import warnings
from pathlib import Path

import numpy as np

from vild.data.coco import Coco
from vild.data.coco_categories import read_categories
from vild.data.coco_json import CocoJson, Ragged
from vild.errors import DataError
from vild.evaluation.truth import Truth


def read_truth(path: str | Path) -> Truth:
    """Reads a json of COCO's or LVIS's form; images are not needed.

    Args:
        path: the json.

    Returns:
        Its objects, with numbers exactly as they are there.

    Raises:
        DataError: if it is missing, damaged or of another form.

    Example:
        >>> from pathlib import Path
        >>> text = '{"images": [], "annotations": [], "categories": []}'
        >>> _ = Path("a.json").write_text(text)
        >>> len(read_truth("a.json"))
        0
    """
    source = CocoJson(path, files=False)
    return truth_of_json(source, np.arange(len(source.image_ids)))


def truth_of_dataset(dataset: Coco, indexes: range) -> Truth:
    """The objects of a dataset that was read from a json, exactly as they are there.

    Args:
        dataset: of COCO's or LVIS's form.
        indexes: which of its images.

    Returns:
        Its objects.
    """
    truth = truth_of_json(dataset.source, dataset.rows[indexes.start : indexes.stop])
    by_id = sorted(dataset.categories, key=lambda category: category.id)
    return truth.renamed(dataset.name, by_id)


def truth_of_json(source: CocoJson, rows: np.ndarray) -> Truth:
    """The objects of a json.

    Args:
        source: the json.
        rows: which of its images.

    Returns:
        Its objects.

    Raises:
        DataError: if an annotation is of an unknown category, has the id of another,
            or a mask of another size than its image.
    """
    path = source.path
    categories = sorted(read_categories(source.categories, path), key=lambda c: c.id)
    known = np.array([category.id for category in categories], np.int64)
    category = np.searchsorted(known, source.category_of)
    strange = source.category_of[~_found(known, category, source.category_of)]
    if len(strange):
        raise DataError(
            f"{str(path)!r} has annotations of the category {strange.min()}, but lists "
            "no such category: mend its list."
        )
    _check_numbers(source)
    _check_sizes(source)
    rows = rows[np.argsort(source.image_ids[rows])]
    image_ids = source.image_ids[rows]
    image = np.searchsorted(image_ids, source.image_of)
    there = np.flatnonzero(_found(image_ids, image, source.image_of))
    return Truth(
        name=path.stem,
        categories=categories,
        image_ids=image_ids,
        sizes=source.sizes[rows],
        image=image[there],
        category=category[there],
        boxes=source.boxes[there],
        areas=source.areas[there],
        crowd=source.crowd[there],
        ignored=source.ignored[there],
        ids=source.ids[there],
        segment=lambda index: source.segments[int(there[index])],
        has_masks=source.segments.present(there),
        negative=_keys(source.negative_ids, rows, known),
        not_exhaustive=_keys(source.not_exhaustive_ids, rows, known),
        federated=source.federated,
    )


def _found(known: np.ndarray, at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether values are where they were looked for."""
    if not len(known):
        return np.zeros(len(values), bool)
    return known[at.clip(max=len(known) - 1)] == values


def _keys(lists: Ragged, rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(M,) int64: image * K + category."""
    keys = [np.zeros(0, np.int64)]
    for image, row in enumerate(rows.tolist()):
        ids = lists[row]
        at = np.searchsorted(known, ids)
        keys.append(image * len(known) + at[_found(known, at, ids)])
    return np.concatenate(keys)


def _check_sizes(source: CocoJson) -> None:
    """Masks of another size than their image would match nothing, without a word."""
    number, sizes = source.segments.sizes()
    order = np.argsort(source.image_ids)
    known = source.image_ids[order]
    at = np.searchsorted(known, source.image_of[number])
    there = _found(known, at, source.image_of[number])
    number, sizes, at = number[there], sizes[there], order[at[there]]
    wrong = np.flatnonzero((sizes != source.sizes[at]).any(axis=1))
    if len(wrong):
        first = wrong[0]
        raise DataError(
            f"The mask of annotation {source.ids[number[first]]} of "
            f"{str(source.path)!r} is {sizes[first].tolist()} pixels, but its image "
            f"{source.image_ids[at[first]]} is {source.sizes[at[first]].tolist()} "
            "(height, width): mend its entry."
        )


def _check_numbers(source: CocoJson) -> None:
    ids, counts = np.unique(source.ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"Two annotations of {str(source.path)!r} have the id "
            f"{ids[counts > 1][0]}: give each its own."
        )
    if not source.measured:
        warnings.warn(
            f"Annotations of {str(source.path)!r} have no area, by which small, medium "
            "and large objects are told apart: that of their box is taken.",
            stacklevel=4,
        )
    if (source.ids == 0).any():
        warnings.warn(
            f"An annotation of {str(source.path)!r} has the id 0, which the COCO and "
            "LVIS packages take for 'found by nobody': it never counts as found, there "
            "and here. Number annotations from 1 on.",
            stacklevel=4,
        )
