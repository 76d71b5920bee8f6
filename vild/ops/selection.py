"""From class scores to the final detections of an image.

Every class shares the boxes of the regions, so walking all (class, region) pairs
in order of score gives exactly what suppression per class followed by the overall
best gives: a pair is suppressed only by pairs of its own class with higher scores.
The walk stops as soon as enough are kept, typically after a few hundred of a
million pairs.
"""

from typing import Any

from vild.backends import keras, kernels
from vild.ops import boxes as box_ops

ops = keras.ops


def candidates(scores: Any, number: int) -> tuple[Any, Any, Any]:
    """The best (class, region) pairs.

    Args:
        scores: (B, K, N) float32.
        number: how many pairs, at most N * K; static.

    Returns:
        `values` (B, number) float32 in descending order, `regions` and
        `classes` (B, number) int32. Ties go to the lower class, then to the
        lower region, as in a concatenation of classes.
    """
    regions = scores.shape[2]
    flat = ops.reshape(scores, (ops.shape(scores)[0], -1))
    values, index = kernels.top_k(flat, number)
    return values, index % regions, index // regions


def rank_in_class(classes: Any) -> Any:
    """How many earlier candidates have the same class.

    Args:
        classes: (B, M) int32.

    Returns:
        (B, M) int32.
    """
    number = classes.shape[1]
    position = ops.arange(number, dtype="int32")[None]
    # A stable sort by class puts each class in a run, its best candidate first.
    order = _stable_argsort(classes)
    grouped = ops.take_along_axis(classes, order, axis=-1)
    starts = grouped[:, 1:] != grouped[:, :-1]
    starts = ops.concatenate([ops.ones_like(classes[:, :1], "bool"), starts], axis=-1)
    run = ops.cumsum(ops.cast(starts, "int32"), axis=-1) - 1
    firsts = _stable_argsort(ops.where(starts, position, number))
    first = ops.take_along_axis(firsts, run, axis=-1)
    rank = position - first
    return ops.take_along_axis(rank, _stable_argsort(order), axis=-1)


def _stable_argsort(values: Any) -> Any:
    """Positions that sort whole numbers below 2**24, equal ones kept in order."""
    return kernels.top_k(-ops.cast(values, "float32"), values.shape[1])[1]


def select(
    boxes: Any,
    scores: Any,
    regions: Any,
    classes: Any,
    *,
    threshold: float,
    iou: float,
    per_class: int,
    limit: int,
) -> tuple[Any, Any]:
    """Suppression within each class, then the overall best.

    Args:
        boxes: (B, N, 4) float32, y1 x1 y2 x2, one box per region.
        scores: (B, M) float32 of the candidates, descending.
        regions: (B, M) int32, the region of each candidate.
        classes: (B, M) int32, the class of each candidate.
        threshold: keep scores strictly above this.
        iou: suppress at an overlap of this or more.
        per_class: candidates of one class that enter the suppression.
        limit: detections to keep; static.

    Returns:
        `kept` (B, limit) int32, positions among the candidates in order, -1
        where there are fewer, and `count` (B,) int32.

    Source: released behaviour (per-class suppression, then the top of all).
    """
    eligible = ops.take_along_axis(box_ops.beyond_origin(boxes), regions, axis=1)
    eligible = eligible & (scores > threshold)
    if per_class < boxes.shape[1]:
        eligible = eligible & (rank_in_class(classes) < per_class)
    return kernels.greedy_nms(
        boxes,
        regions,
        classes,
        eligible,
        limit,
        lambda a, b: box_ops.overlap(a, b) >= iou,
    )


def best_classes(scores: Any, threshold: float, limit: int) -> tuple[Any, ...]:
    """Each region's best class, without suppression.

    Args:
        scores: (B, K, N) float32.
        threshold: keep scores strictly above this.
        limit: detections to keep; static.

    Returns:
        `values` (B, M) float32 in descending order with M = min(N, limit),
        `regions` and `classes` (B, M) int32, and `count` (B,) int32, how many
        are above the threshold.

    Source: released behaviour (the export without suppression).
    """
    values, regions = kernels.top_k(
        ops.max(scores, axis=1), min(limit, scores.shape[2])
    )
    classes = ops.cast(ops.argmax(scores, axis=1), "int32")
    classes = ops.take_along_axis(classes, regions, axis=-1)
    count = ops.sum(ops.cast(values > threshold, "int32"), axis=-1)
    return values, regions, classes, count
