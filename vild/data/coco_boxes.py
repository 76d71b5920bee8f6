"""Boxes of a json, cut at the border of their images."""

import warnings

import numpy as np

from vild.data.coco_json import CocoJson

_CUT = 1  # pixel that a box may reach out of its image by without a word


def boxes_in_images(source: CocoJson) -> tuple[np.ndarray, np.ndarray]:
    """Cuts boxes at the border of their images, and warns once of what is odd.

    Args:
        source: the json.

    Returns:
        (A, 4) float32 x1 y1 x2 y2 in pixels; and (A,) int64, which image of the json
        each is in: -1 where that is not there, or the box has no area in it.

    Example:
        >>> from pathlib import Path
        >>> text = '{"images": [], "annotations": [], "categories": []}'
        >>> _ = Path("a.json").write_text(text)
        >>> boxes_in_images(CocoJson("a.json"))[1].shape
        (0,)
    """
    rows = _rows(source)
    known = rows >= 0
    boxes = source.boxes.copy()
    boxes[:, 2:] += boxes[:, :2]
    inside = boxes.copy()
    limits = np.tile(source.sizes[rows[known]][:, ::-1], 2)
    inside[known] = boxes[known].clip(0, limits)
    far = (np.abs(inside - boxes) > _CUT).any(axis=1)
    inside = inside.astype(np.float32)
    kept = known & (inside[:, 2:] > inside[:, :2]).all(axis=1)
    odd = [
        (known & ~kept, "have no area in their image and are left out"),
        (~known, "are of images that it does not list and are left out"),
        (kept & far, "reach out of their image and are cut"),
    ]
    said = [f"{which.sum()} {what}" for which, what in odd if which.any()]
    if said:
        warnings.warn(
            f"Of {len(kept)} annotations in {str(source.path)!r} {', '.join(said)}.",
            stacklevel=3,
        )
    return inside, np.where(kept, rows, -1)


def _rows(source: CocoJson) -> np.ndarray:
    """(A,) int64: which image of the json each annotation is of; -1 for none."""
    if not len(source.image_ids):
        return np.full(len(source.image_of), -1)
    order = np.argsort(source.image_ids)
    ids = source.image_ids[order]
    at = np.searchsorted(ids, source.image_of).clip(0, len(ids) - 1)
    return np.where(ids[at] == source.image_of, order[at], -1)
