"""Boxes that a detector found, collected in memory."""

from typing import Any

import numpy as np

from vild.evaluation.predictions import Predictions
from vild.evaluation.truth import Truth


class Collected:
    """Answers by image, until all are there.

    Args:
        categories: id of each class that was asked for; None for proposals.
    """

    def __init__(self, categories: list[int] | None) -> None:
        self._ids = None if categories is None else np.array(categories, np.int64)
        self._parts: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, image_id: int, answer: Any) -> None:
        """Takes in what was found in an image.

        Args:
            image_id: of the dataset.
            answer: `Detections`, or `Regions` for proposals.
        """
        boxes = answer.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        if self._ids is None:
            real = answer.objectness >= 0  # the others only fill up
            scores, ids = answer.objectness[real], np.zeros(real.sum(), np.int64)
            boxes = boxes[real]
        else:
            scores, ids = answer.scores, self._ids[answer.class_ids]
        self._parts.append((image_id, ids, boxes, scores.astype(np.float64)))

    def predictions(self, truth: Truth) -> Predictions:
        """All of them.

        Args:
            truth: of the same images.

        Returns:
            The detections.
        """
        counts = [len(scores) for _, _, _, scores in self._parts]
        images = [image_id for image_id, _, _, _ in self._parts]
        category = np.zeros(sum(counts), np.int64)
        if self._ids is not None and len(category):
            known = np.array([c.id for c in truth.categories])
            ids = np.concatenate([ids for _, ids, _, _ in self._parts])
            category = np.searchsorted(known, ids)
        boxes = np.concatenate([np.zeros((0, 4)), *(b for _, _, b, _ in self._parts)])
        scores = np.concatenate([np.zeros(0), *(s for _, _, _, s in self._parts)])
        return Predictions(
            image=np.repeat(np.searchsorted(truth.image_ids, images), counts),
            category=category,
            boxes=boxes,
            scores=scores,
            areas=boxes[:, 2] * boxes[:, 3],
        )
