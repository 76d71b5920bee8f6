"""Evaluation: LVIS, COCO with its 48/17 split, PASCAL VOC, Objects365, proposals."""

from vild.evaluation.bootstrap import Interval, intervals
from vild.evaluation.comparing import Comparison, compare
from vild.evaluation.evaluating import (
    box_evaluation,
    box_metrics,
    evaluate,
    evaluate_detector,
    protocol_for,
)
from vild.evaluation.evaluation import Evaluation
from vild.evaluation.from_files import evaluate_files

__all__ = [
    "Comparison",
    "Evaluation",
    "Interval",
    "box_evaluation",
    "box_metrics",
    "compare",
    "evaluate",
    "evaluate_detector",
    "evaluate_files",
    "intervals",
    "protocol_for",
]
