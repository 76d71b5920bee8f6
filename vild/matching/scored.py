"""Regions that somebody else has scored."""

import functools
from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.matching.inputs import padded_count
from vild.ops import selection

ops = keras.ops


class Scored:
    """Scores of every class at every region.

    Args:
        scores: (N, K) float32, 0 or more.
    """

    def __init__(self, scores: np.ndarray) -> None:
        regions, classes = scores.shape
        # Padded, as words are, so that few sizes are compiled; 0 is never found.
        table = np.zeros((1, padded_count(classes), regions), "float32")
        table[0, :classes] = scores.T
        self._pairs = table.size
        self._scores = ops.convert_to_tensor(table)

    def best_classes(self, threshold: Any, limit: int) -> tuple[Any, ...]:
        """Each region's best class; see `selection.best_classes`."""
        return _best_classes(limit)(self._scores, threshold)

    def most(self, per_class: int, limit: int) -> int:
        """How many candidates always suffice: all there are."""
        del per_class, limit
        return self._pairs

    def candidates(self, number: int, per_class: int) -> tuple[Any, ...]:
        """The best pairs; see `selection.candidates`.

        Args:
            number: how many.
            per_class: not needed here.

        Returns:
            Scores, regions and classes.
        """
        del per_class
        return _candidates(number)(self._scores)


@functools.cache
def _candidates(number: int) -> Any:
    return kernels.compile(lambda scores: selection.candidates(scores, number), [])


@functools.cache
def _best_classes(limit: int) -> Any:
    return kernels.compile(
        lambda scores, threshold: selection.best_classes(scores, threshold, limit), []
    )
