"""Regions as proposals: how sure a detector is that there is something at all."""

import numpy as np

from vild.data.crops import boxes_inside
from vild.data.overlap import suppress
from vild.detector import Detector
from vild.regions import Regions

COUNT = 300
"""Proposals per photo. Source: paper section 3.2, released records."""
NMS_IOU = 0.7
"""As for the regions themselves. Source: released behaviour."""
_SMALLEST = 1.0  # pixel each way that is left of a proposal in its photo


def scored_by(detector: Detector) -> str:
    """What the score of a proposal is.

    A detector that knows a single class, such as "object" after training without
    classes, is asked for that class: its second look at a region is better than its
    first. Any other is asked for its objectness, which its first look gives.

    Args:
        detector: any.

    Returns:
        The name of the class, or "objectness".
    """
    own = detector.own_vocabulary
    return own.names[0] if len(own) == 1 else "objectness"


def scores_of(regions: Regions, detector: Detector) -> np.ndarray:
    """How sure a detector is that there is something.

    Args:
        regions: encoded by it.
        detector: see `scored_by`.

    Returns:
        (N,) float32 from 0 to 1; -1 where a region only fills up.
    """
    if len(detector.own_vocabulary) != 1:
        return regions.objectness
    scores = regions.scores(detector.own_vocabulary)[:, 0]
    return np.where(regions.objectness < 0, np.float32(-1), scores)


def best_regions(
    regions: Regions,
    scores: np.ndarray,
    *,
    count: int = COUNT,
    nms_iou: float | None = NMS_IOU,
    score_threshold: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The regions that make proposals.

    Args:
        regions: encoded by a detector.
        scores: (N,) of `scores_of`.
        count: how many at most.
        nms_iou: of two boxes that overlap this much the better one stays; None for
            no suppression.
        score_threshold: keep scores of this or more, from 0 on.

    Returns:
        (M,) int64, which they are, best first; and (M, 4) float32, their boxes x1 y1
        x2 y2 cut at the border of the photo, none of them without an area there.
    """
    boxes, inside = boxes_inside(regions.boxes, regions.image_size, _SMALLEST)
    rows = np.flatnonzero(inside)
    kept = suppress(
        boxes,
        scores[rows],
        iou=nms_iou,
        count=count,
        threshold=max(score_threshold, 0.0),
    )
    return rows[kept], boxes[kept]
