"""A vocabulary compared with the regions at once."""

import functools
from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.matching.inputs import Arrays, of_classes, of_regions, padded_count
from vild.ops import selection, streaming
from vild.vocabulary import Vocabulary

ops = keras.ops


class Whole:
    """A vocabulary compared with the regions at once.

    Args:
        arrays: the regions.
        words: a vocabulary with base flags.
        rivals: (R, D) float32; see `vild.matching.inputs.of_regions`.
    """

    def __init__(
        self, arrays: Arrays, words: Vocabulary, rivals: np.ndarray | None = None
    ) -> None:
        size = padded_count(len(words))
        self._count = len(words)
        self._pairs = len(arrays.text) * size
        regions = of_regions(arrays, rivals)
        self._inputs = *regions, *of_classes(words, 0, len(words), size)

    def scores(self) -> np.ndarray:
        """(N, K) float32."""
        found = ops.convert_to_numpy(_scores(*self._inputs))[0, : self._count]
        return np.ascontiguousarray(found.T)

    def best_classes(self, threshold: Any, limit: int) -> tuple[Any, ...]:
        """Each region's best class; see `selection.best_classes`."""
        return _best_classes(limit)(*self._inputs, threshold)

    def most(self, per_class: int, limit: int) -> int:
        """How many candidates always suffice: all there are."""
        del per_class, limit
        return self._pairs

    def candidates(self, number: int, per_class: int) -> tuple[Any, ...]:
        """The best pairs, whether or not they may become detections.

        Args:
            number: how many.
            per_class: not needed here.

        Returns:
            Products, regions and classes; see `selection.candidates`.
        """
        del per_class
        return _candidates(number)(*self._inputs)


def _products(
    text: Any, image: Any, sums: Any, rows: Any, valid: Any, base: Any
) -> Any:
    logits = streaming.logits(text, image, rows, valid)
    return streaming.products(*streaming.count_in(sums, logits), base)


def _whole_scores(*inputs: Any) -> Any:
    return streaming.scores(_products(*inputs), streaming.exponent(inputs[1]))


_scores = kernels.compile(_whole_scores, [])


@functools.cache
def _candidates(number: int) -> Any:
    def run(*inputs: Any) -> tuple[Any, ...]:
        return selection.candidates(_products(*inputs), number)

    return kernels.compile(run, [])


@functools.cache
def _best_classes(limit: int) -> Any:
    def run(*arguments: Any) -> tuple[Any, ...]:
        *inputs, threshold = arguments
        scores = streaming.scores(_products(*inputs), streaming.exponent(inputs[1]))
        return selection.best_classes(scores, threshold, limit)

    return kernels.compile(run, [])
