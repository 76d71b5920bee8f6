"""A vocabulary compared with the regions a chunk of classes at a time."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from vild.backends import keras, kernels
from vild.matching.inputs import (
    Arrays,
    count_in,
    of_classes,
    of_regions,
    padded_count,
)
from vild.ops import boxes as box_ops
from vild.ops import selection, streaming
from vild.vocabulary import Vocabulary

ops = keras.ops

# Chunks are padded to this many rows, for products of fewer are computed by other
# loops on XLA, which round otherwise.
FEWEST_ROWS = 64

_PATIENCE = 3  # seconds before a bar shows how far it is


class Streamed:
    """A vocabulary compared with the regions a chunk of classes at a time.

    The constructor makes the first pass over the vocabulary, every method another.

    Args:
        arrays: the regions.
        words: a vocabulary with base flags; its rows may lie in a mapped file.
        chunk: classes compared at a time.
        rivals: (R, D) float32; see `vild.matching.inputs.of_regions`.
    """

    def __init__(
        self,
        arrays: Arrays,
        words: Vocabulary,
        chunk: int,
        rivals: np.ndarray | None = None,
    ) -> None:
        self._words, self._chunk = words, chunk
        self._size = max(padded_count(chunk), FEWEST_ROWS)
        self._shape = (len(arrays.text), len(words))
        self._text, self._image, sums = of_regions(arrays, rivals)
        self._boxes = ops.convert_to_tensor(arrays.boxes[None])

        def step(sums: Any, rows: Any, valid: Any, base: Any, first: Any) -> Any:
            return count_in(sums, self._text, self._image, rows, valid)

        self._sums = self._fold(step, sums, "Reading words")

    def scores(self) -> np.ndarray:
        """(N, K) float32."""
        found = np.empty(self._shape, "float32")
        for start, stop, chunk in self._chunks("Scoring words"):
            part = _scores(self._sums, self._text, self._image, *chunk)
            found[:, start:stop] = ops.convert_to_numpy(part)[0, : stop - start].T
        return found

    def best_classes(self, threshold: Any, limit: int) -> tuple[Any, ...]:
        """Each region's best class; see `selection.best_classes`."""

        def step(best: Any, *chunk: Any) -> Any:
            return _merge_best_classes(
                best, self._sums, self._text, self._image, *chunk
            )

        best = streaming.nothing(1, self._shape[0])
        best = self._fold(step, (best[0], best[2]), "Matching words")
        return _best_classes(limit)(*best, threshold)

    def most(self, per_class: int, limit: int) -> int:
        """How many candidates always suffice.

        Every candidate that scores may become a detection. Of each class there are
        at most `per_class`, and the best of them is never suppressed.

        Args:
            per_class: candidates of one class that enter the suppression.
            limit: detections to keep.
        """
        regions, classes = self._shape
        return min(per_class * limit, regions * classes)

    def candidates(self, number: int, per_class: int) -> tuple[Any, ...]:
        """The best pairs of those that may become detections.

        Args:
            number: how many.
            per_class: candidates of one class that enter the suppression.

        Returns:
            Products, regions and classes; see `selection.candidates`. Where there
            are fewer, products of 0 or less follow.
        """
        merge = _merge(per_class)

        def step(best: Any, *chunk: Any) -> Any:
            return merge(best, self._sums, self._text, self._image, self._boxes, *chunk)

        return self._fold(step, streaming.nothing(1, number), "Matching words")

    def _fold(self, step: Callable[..., Any], state: Any, title: str) -> Any:
        """The state after a step with every chunk."""
        for start, _, chunk in self._chunks(title):
            first = ops.convert_to_tensor(np.int32(start))
            before, state = state, step(state, *chunk, first)
            # JAX does not wait for its results: without this line all chunks would
            # queue up, each with its memory.
            ops.convert_to_numpy(keras.tree.flatten(before)[0])
        return state

    def _chunks(self, title: str) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
        """Where each chunk starts and stops, and its arrays."""
        count = len(self._words)
        with tqdm(
            desc=title,
            total=count,
            unit_scale=True,
            delay=_PATIENCE,
            leave=False,
            disable=None,  # shown on terminals only
        ) as bar:
            for start in range(0, count, self._chunk):
                stop = min(start + self._chunk, count)
                yield start, stop, of_classes(self._words, start, stop, self._size)
                bar.update(stop - start)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return kernels.compile(function, [])


def _products(
    sums: Any, text: Any, image: Any, rows: Any, valid: Any, base: Any
) -> Any:
    shares = streaming.shares(sums, streaming.logits(text, image, rows, valid))
    return streaming.products(sums, shares, base)


@_compiled
def _scores(sums: Any, text: Any, image: Any, *chunk: Any) -> Any:
    products = _products(sums, text, image, *chunk)
    return streaming.scores(products, streaming.exponent(image))


@_compiled
def _merge_best_classes(
    best: Any, sums: Any, text: Any, image: Any, *chunk: Any
) -> tuple[Any, Any]:
    products = _products(sums, text, image, *chunk[:-1])
    # Of the roots, as in the whole: they tie more often than the products.
    scores = streaming.scores(products, streaming.exponent(image))
    return streaming.merge_best_classes(best, scores, chunk[-1])


@functools.cache
def _best_classes(limit: int) -> Callable[..., Any]:
    @_compiled
    def run(values: Any, classes: Any, threshold: Any) -> tuple[Any, ...]:
        best = selection.best_classes(values[:, None], threshold, limit)
        values, regions, _, count = best
        return values, regions, ops.take_along_axis(classes, regions, axis=-1), count

    return run


@functools.cache
def _merge(per_class: int) -> Callable[..., Any]:
    @_compiled
    def run(
        best: Any, sums: Any, text: Any, image: Any, boxes: Any, *chunk: Any
    ) -> tuple[Any, ...]:
        products = _products(sums, text, image, *chunk[:-1])
        if per_class < products.shape[2]:
            products = streaming.best_of_class(products, per_class, best[0][:, -1])
        # After the best of the class were chosen: there all regions count.
        eligible = box_ops.beyond_origin(boxes)[:, None]
        products = ops.where(eligible, products, 0.0)
        return streaming.merge(best, products, chunk[-1])

    return run
