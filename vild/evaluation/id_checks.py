"""Ids of results -> numbers of images and categories; what unknown ids may mean."""

from pathlib import Path

import numpy as np

from vild.errors import DataError
from vild.evaluation.truth import Truth


def rows_of_images(ids: np.ndarray, truth: Truth, path: Path) -> np.ndarray:
    """Finds images by their ids.

    Args:
        ids: (N,) int64 ids of images.
        truth: the ground truth.
        path: of the results, for messages.

    Returns:
        (N,) int32.

    Raises:
        DataError: if an image is unknown.
    """
    known = truth.image_ids
    rows, strange = _find(ids, known)
    if not len(strange):
        return rows
    hint = "use the results that belong to this ground truth"
    if len(known) and ids.min() >= 0 and ids.max() <= len(known):
        hint = "they look like places in a list: write the ids of the ground truth"
    raise DataError(
        f"{str(path)!r} has results for {_listed(strange)}, but {truth.name!r} has no "
        f"such image, its ids running from {known.min(initial=0)} to "
        f"{known.max(initial=0)}: {hint}."
    )


def rows_of_categories(ids: np.ndarray, truth: Truth, path: Path) -> np.ndarray:
    """Finds categories by their ids.

    Args:
        ids: (N,) int64 ids of categories.
        truth: the ground truth.
        path: of the results, for messages.

    Returns:
        (N,) int32.

    Raises:
        DataError: if a category is unknown; it names ids that count from 0 rather
            than 1, from 1 rather than 0, or without the gaps of the ground truth.
    """
    known = np.array([category.id for category in truth.categories], np.int64)
    rows, strange = _find(ids, known)
    if not len(strange):
        return rows
    hint = "use the results that belong to this ground truth"
    low, high = (int(known[0]), int(known[-1])) if len(known) else (0, 0)
    if -1 in strange:
        hint = "each result needs the category_id that it is of"
    elif low == 1 and 0 in strange and ids.max() < high:
        hint = "the results count from 0 (0-based), the ground truth from 1: add 1"
    elif low == 0 and ids.min() >= 1 and strange.tolist() == [high + 1]:
        hint = "the results count from 1 (1-based), the ground truth from 0: subtract 1"
    elif len(known) <= high and ids.min() >= 0 and ids.max() <= len(known):
        first = "0" if 0 in strange else "1"
        hint = (
            f"the results count categories from {first} without gaps, but its ids have "
            "gaps in the ground truth: write the ids that are there"
        )
    raise DataError(
        f"{str(path)!r} has results of {_listed(strange)}, but {truth.name!r} has no "
        f"such category, its ids running from {low} to {high}: {hint}."
    )


def _find(ids: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places in what is known, and the ids that are not."""
    if not len(known):
        return np.zeros(len(ids), np.int32), np.unique(ids)
    rows = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return rows.astype(np.int32), np.unique(ids[known[rows] != ids])


def _listed(ids: np.ndarray) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"id {', '.join(map(str, ids[:3].tolist()))}{more}"
