"""Evaluation: LVIS, COCO with its 48/17 split, PASCAL VOC, Objects365, proposals."""

from vild.evaluation.evaluating import box_metrics, evaluate

__all__ = ["box_metrics", "evaluate"]
