"""What was found in an image, as results in COCO's form."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from vild.data.masks import LazyMasks
from vild.data.rle import encode_rle
from vild.errors import DataError


def packed(
    image_id: int, answer: Any, ids: Sequence[int] | None, masks: bool
) -> dict[str, Any]:
    """Takes from an answer what a line of results needs, as little as can be.

    Args:
        image_id: of the dataset.
        answer: `Detections`, or `Regions` for proposals.
        ids: the dataset's id of each class that was asked for; None for proposals.
        masks: whether to write masks.

    Returns:
        Arguments of `line`, which may be handed to another process.
    """
    if ids is None:
        real = answer.objectness >= 0  # the others only fill up
        found = {"boxes": answer.boxes[real], "scores": answer.objectness[real]}
        return {"image_id": image_id, **found}
    return {
        "image_id": image_id,
        "boxes": answer.boxes,
        "scores": answer.scores,
        "ids": [ids[i] for i in answer.class_ids.tolist()],
        "masks": answer.lazy_masks if masks else None,
    }


def line(
    image_id: int,
    boxes: np.ndarray,
    scores: np.ndarray,
    ids: list[int] | None = None,
    masks: Any = None,
) -> str:
    """A line of the file of results. Masks are pasted and packed here.

    Args:
        image_id: of the dataset.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels.
        scores: (N,) float32.
        ids: N ids of categories; None for none.
        masks: (N, H, W) bool, or something that gives them when called, or None.

    Returns:
        A json without a line break: `{"image_id": 7, "results": [...]}`.

    Raises:
        DataError: if a number is not finite.

    Example:
        >>> line(7, np.zeros((0, 4)), np.zeros(0))
        '{"image_id": 7, "results": []}'
    """
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise DataError(
            f"The detector gives numbers that are not finite for image {image_id}: its "
            "weights, or the precision it computes in, are not fit for use."
        )
    corners = boxes.astype(np.float64)
    corners[:, 2:] -= corners[:, :2]
    results: list[dict[str, Any]] = [
        {"image_id": image_id, "bbox": box, "score": score}
        for box, score in zip(corners.tolist(), scores.tolist(), strict=True)
    ]
    if ids is not None:
        for result, category_id in zip(results, ids, strict=True):
            result["category_id"] = category_id
    if masks is not None:
        for result, runs in zip(results, _runs(masks), strict=True):
            result["segmentation"] = runs
    return json.dumps({"image_id": image_id, "results": results}, allow_nan=False)


def _runs(masks: Any) -> list[dict[str, Any]]:
    if isinstance(masks, LazyMasks):
        return masks.runs()
    return [encode_rle(mask) for mask in (masks() if callable(masks) else masks)]
