"""From RPN outputs to regions of interest."""

from collections.abc import Sequence
from typing import Any

from vild.backends import keras, kernels
from vild.ops import boxes as box_ops
from vild.ops.anchors import level_anchors
from vild.ops.nms import nms

ops = keras.ops

IOU_THRESHOLD = 0.7
PADDING_SCORE = -1.0


def generate_proposals(
    scores: Sequence[Any],
    deltas: Sequence[Any],
    levels: Sequence[int],
    image_shape: Any,
    pre_nms: int,
    total: int,
    iou: float = IOU_THRESHOLD,
) -> tuple[Any, Any]:
    """Turns RPN maps into the best boxes, suppressed per level.

    Args:
        scores: per level (B, h, w, 3) float32 logits.
        deltas: per level (B, h, w, 12) float32, dy dx dh dw for each anchor.
        levels: the pyramid levels of these maps.
        image_shape: (B, 2) float32, height and width that boxes are clipped to.
        pre_nms: boxes per level that enter the suppression.
        total: boxes returned, and the most that a level may keep.
        iou: suppress at an overlap of this or more.

    Returns:
        `rois` (B, R, 4) float32, y1 x1 y2 x2 in pixels of the model input, and
        `roi_scores` (B, R) float32 in descending order, with R = total or the
        number of anchors if that is less. Where fewer boxes survive, the tail
        is zero boxes with score -1.

    Source: released behaviour.
    """
    all_boxes, all_scores = [], []
    for level_scores, level_deltas, level in zip(scores, deltas, levels, strict=True):
        boxes, probabilities = _best_of_level(
            level_scores, level_deltas, level, image_shape, pre_nms
        )
        keep = min(total, boxes.shape[1])
        kept, _ = nms(boxes, iou, keep, epsilon=1e-8)
        found = kept >= 0
        index = ops.maximum(kept, 0)
        boxes = ops.take_along_axis(boxes, index[..., None], axis=1)
        probabilities = ops.take_along_axis(probabilities, index, axis=1)
        all_boxes.append(ops.where(found[..., None], boxes, 0.0))
        all_scores.append(ops.where(found, probabilities, PADDING_SCORE))
    boxes = ops.concatenate(all_boxes, axis=1)
    probabilities = ops.concatenate(all_scores, axis=1)
    best, index = kernels.top_k(probabilities, min(total, probabilities.shape[1]))
    return ops.take_along_axis(boxes, index[..., None], axis=1), best


def _best_of_level(
    scores: Any, deltas: Any, level: int, image_shape: Any, pre_nms: int
) -> tuple[Any, Any]:
    """Decodes and clips the best anchors of one level, best first."""
    height, width = scores.shape[1:3]
    anchors = ops.convert_to_tensor(level_anchors(height, width, level))
    count = anchors.shape[0]
    logits = ops.reshape(scores, (-1, count))
    deltas = ops.reshape(deltas, (-1, count, 4))
    # Ranked by probability, not by logit: large logits saturate to equal
    # probabilities, and ties go to the lower index.
    probabilities, index = kernels.top_k(ops.sigmoid(logits), min(pre_nms, count))
    chosen = ops.take_along_axis(deltas, index[..., None], axis=1)
    boxes = box_ops.decode(chosen, ops.take(anchors, index, axis=0))
    return box_ops.clip(boxes, image_shape), probabilities
