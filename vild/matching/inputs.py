"""What the compiled functions take: arrays with a leading batch of one."""

from typing import Any, NamedTuple

import numpy as np

from vild.backends import keras, kernels
from vild.ops import streaming
from vild.vocabulary import Vocabulary

ops = keras.ops

_RIVALS = 4096  # that are compared at a time


class Arrays(NamedTuple):
    """What matching needs of regions.

    Attributes:
        text: (N, D) float32 unit vectors of the text branch.
        image: (N, D) float32 unit vectors of the image branch; None without one.
        background: (D,) float32.
        boxes: (N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        temperature: what cosines are multiplied by.
    """

    text: np.ndarray
    image: np.ndarray | None
    background: np.ndarray
    boxes: np.ndarray
    temperature: float


def of_regions(arrays: Arrays, rivals: np.ndarray | None = None) -> tuple[Any, ...]:
    """Both branches, and what their softmaxes divide by before any class.

    Args:
        arrays: the regions.
        rivals: (R, D) float32 rows of classes that count there, and nowhere else.

    Returns:
        (1, N, D) tensors as long as the temperature, the second None without an image
        branch, and what `streaming.start` gives, with the rivals counted in.
    """

    def scaled(rows: np.ndarray) -> Any:
        return ops.convert_to_tensor(np.float32(arrays.temperature) * rows[None])

    text = scaled(arrays.text)
    image = None if arrays.image is None else scaled(arrays.image)
    background = ops.convert_to_tensor(arrays.background)
    sums = _start(text, image, background)
    if rivals is not None:
        for start in range(0, len(rivals), _RIVALS):
            part = rivals[start : start + _RIVALS]
            rows, valid = _padded(part, padded_count(len(part)))
            sums = count_in(sums, text, image, rows, valid)
    return text, image, sums


_start = kernels.compile(streaming.start, [])


def _count_in(sums: Any, text: Any, image: Any, rows: Any, valid: Any) -> Any:
    return streaming.count_in(sums, streaming.logits(text, image, rows, valid))[0]


# What the softmaxes divide by, with some more classes.
count_in = kernels.compile(_count_in, [])


def _padded(part: np.ndarray, size: int) -> tuple[Any, Any]:
    """(size, D) rows and (size,) bool, which of them are classes."""
    rows = np.zeros((size, part.shape[1]), "float32")
    rows[: len(part)] = part
    return ops.convert_to_tensor(rows), ops.convert_to_tensor(
        np.arange(size) < len(part)
    )


def of_classes(words: Vocabulary, start: int, stop: int, size: int) -> tuple[Any, ...]:
    """Some classes, padded.

    Args:
        words: a vocabulary with base flags.
        start: the first class.
        stop: the class after the last.
        size: rows to pad to.

    Returns:
        (size, D) float32 rows, (size,) bool whether a row is a class and (size,)
        bool whether it is a base class.
    """
    base = np.ones(size, bool)
    if words.base is not None:
        base[: stop - start] = words.base[start:stop]
    rows, valid = _padded(words.embeddings[start:stop], size)
    return rows, valid, ops.convert_to_tensor(base)


def padded_count(count: int) -> int:
    """Numbers of classes that programs are compiled for.

    Args:
        count: how many classes there are.

    Returns:
        The next of few numbers, so that asking for 5 words and then for 6 compiles
        nothing anew.
    """
    if count > 256:
        return -(-count // 256) * 256
    return max(8, 1 << (count - 1).bit_length())
