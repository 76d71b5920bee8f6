"""Greedy non-maximum suppression of boxes in order of score."""

from typing import Any

from vild.backends import keras, kernels
from vild.ops import boxes as box_ops

ops = keras.ops


def nms(
    boxes: Any, threshold: float, limit: int, epsilon: float = 0.0
) -> tuple[Any, Any]:
    """Suppresses every box that overlaps a better one that is kept.

    Args:
        boxes: (B, N, 4) float32, y1 x1 y2 x2, best box first.
        threshold: suppress at an overlap of this or more (so >=, as released).
        limit: how many to keep at most; static.
        epsilon: added to the union of two boxes (see `boxes.overlap`).

    Returns:
        `kept` (B, limit) int32, positions in order, -1 where there are fewer,
        and `count` (B,) int32.

    Source: released behaviour; boxes without a coordinate above 0 are dropped. Of
    boxes at exactly the threshold the released
    tiled RPN variant lets a suppressed one suppress others; this does not.
    """
    eligible = box_ops.beyond_origin(boxes)
    batch, number = ops.shape(boxes)[0], boxes.shape[1]
    items = ops.broadcast_to(ops.arange(number, dtype="int32")[None], (batch, number))
    return kernels.greedy_nms(
        boxes,
        items,
        ops.zeros_like(items),
        eligible,
        limit,
        lambda a, b: box_ops.overlap(a, b, epsilon) >= threshold,
    )
