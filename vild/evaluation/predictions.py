"""What a detector answered for the images of a dataset, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Predictions:
    """Detections, by number of image and of category of a `Truth`.

    Attributes:
        image: (N,) ints.
        category: (N,) ints.
        boxes: (N, 4) float64 x y width height in pixels; may reach out of the image.
        scores: (N,) float64.
        areas: (N,) float64 in square pixels.
        mask: number of a detection -> COCO run lengths; None without masks.
    """

    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    areas: np.ndarray
    mask: Callable[[int], Any] | None = None

    def __len__(self) -> int:
        return len(self.image)

    def keep(self, rows: np.ndarray) -> "Predictions":
        """Some of the detections, or all in another order.

        Args:
            rows: (M,) bool or int.

        Returns:
            Those.
        """
        rows = np.arange(len(self))[rows]
        mask = self.mask
        names = "image", "category", "boxes", "scores", "areas"
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in names},
            mask=None if mask is None else lambda index: mask(int(rows[index])),
        )

    def best_of_images(self, limit: int) -> "Predictions":
        """The best detections of each image, ties in their order.

        Args:
            limit: how many an image keeps.

        Returns:
            Those, in their order.
        """
        if not len(self) or np.bincount(self.image).max() <= limit:
            return self
        order = np.lexsort((-self.scores, self.image))
        return self.keep(np.sort(order[rank_in_runs(self.image[order]) < limit]))


def rank_in_runs(keys: np.ndarray) -> np.ndarray:
    """The place of each element in its run of equal neighbours, from 0.

    Args:
        keys: (N,) equal keys side by side.

    Returns:
        (N,) int64.

    Example:
        >>> rank_in_runs(np.array([4, 4, 9, 9, 9, 1]))
        array([0, 1, 0, 1, 2, 0])
    """
    if not len(keys):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    lengths = np.diff(np.r_[starts, len(keys)])
    return np.arange(len(keys)) - np.repeat(starts, lengths)
