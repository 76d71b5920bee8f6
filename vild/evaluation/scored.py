"""Metrics, and what they were made of."""

from dataclasses import dataclass

import numpy as np

from vild.evaluation.curves import NONE, Curves
from vild.evaluation.matching import Matches
from vild.evaluation.truth import Truth

Metrics = dict[str, float]


@dataclass(frozen=True, eq=False)
class Scored:
    """The metrics of boxes or of masks.

    Attributes:
        metrics: name -> a fraction, or -1 where there is nothing to be found.
        truth: the objects that took part.
        matches: what became of the detections.
        curves: precision and recall of each category.
        reached: name of a metric -> (K,) what was reached for each category.
    """

    metrics: Metrics
    truth: Truth
    matches: Matches
    curves: Curves
    reached: dict[str, np.ndarray]


def mean(values: np.ndarray) -> float:
    """The mean of what is told.

    Args:
        values: any shape; `NONE` where there is nothing to be found.

    Returns:
        The mean of the others; `NONE` if there are none.

    Example:
        >>> mean(np.array([0.5, -1.0, 0.7]))
        0.6
    """
    told = values[values > NONE]
    return float(told.mean()) if told.size else NONE
