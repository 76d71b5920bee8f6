"""Evaluation: LVIS, COCO with its 48/17 split, PASCAL VOC, Objects365, proposals."""

from vild.evaluation.evaluating import box_metrics, evaluate
from vild.evaluation.from_files import evaluate_files

__all__ = ["box_metrics", "evaluate", "evaluate_files"]
