"""How much boxes overlap, and which of them suppress others."""

import numpy as np


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes.

    Args:
        boxes: (N, 4) x1 y1 x2 y2.
        others: (M, 4) the same.

    Returns:
        (N, M) float32, 0 where a box has no area.

    Example:
        >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 1], [5, 5, 6, 6]]))
        array([[0.5, 0. ]], dtype=float32)
    """
    one, other = (np.asarray(b, np.float32).reshape(-1, 4) for b in (boxes, others))
    first = np.maximum(one[:, None, :2], other[None, :, :2])
    last = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (last - first).clip(0).prod(axis=2)
    areas = [(b[:, 2:] - b[:, :2]).clip(0).prod(axis=1) for b in (one, other)]
    union = areas[0][:, None] + areas[1] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def suppress(
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    iou: float | None,
    count: int,
    threshold: float = 0.0,
) -> np.ndarray:
    """Greedy suppression, whatever the boxes show.

    Args:
        boxes: (N, 4) x1 y1 x2 y2.
        scores: (N,).
        iou: of two boxes that overlap this much or more the better one stays; None
            for no suppression.
        count: how many to keep at most.
        threshold: keep scores of this or more.

    Returns:
        (M,) int64, which stay, best first; of equal scores the first.

    Example:
        >>> boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 29, 9]])
        >>> suppress(boxes, np.array([0.5, 0.9, 0.2]), iou=0.7, count=10)
        array([1, 2])
    """
    order = np.argsort(-np.asarray(scores, np.float32), kind="stable")
    order = order[scores[order] >= threshold]
    if iou is None:
        return order[:count]
    kept: list[int] = []
    while len(order) and len(kept) < count:
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[overlaps(boxes[best], boxes[order])[0] < iou]
    return np.array(kept, np.int64)
