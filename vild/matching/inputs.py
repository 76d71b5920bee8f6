"""What the compiled functions take: arrays with a leading batch of one."""

from typing import Any, NamedTuple

import numpy as np

from vild.backends import keras, kernels
from vild.ops import streaming
from vild.vocabulary import Vocabulary

ops = keras.ops


class Arrays(NamedTuple):
    """What matching needs of regions.

    Attributes:
        text: (N, D) float32 unit vectors of the text branch.
        image: (N, D) float32 unit vectors of the image branch; None without one.
        background: (D,) float32.
        boxes: (N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
    """

    text: np.ndarray
    image: np.ndarray | None
    background: np.ndarray
    boxes: np.ndarray


def of_regions(arrays: Arrays) -> tuple[Any, ...]:
    """Both branches, and what their softmaxes divide by before any class.

    Args:
        arrays: the regions.

    Returns:
        (1, N, D) tensors, the second None without an image branch, and what
        `streaming.start` gives.
    """
    text = ops.convert_to_tensor(arrays.text[None])
    image = None if arrays.image is None else ops.convert_to_tensor(arrays.image[None])
    background = ops.convert_to_tensor(arrays.background)
    return text, image, _start(text, image, background)


_start = kernels.compile(streaming.start, [])


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
    count = stop - start
    rows = np.zeros((size, words.dim), "float32")
    rows[:count] = words.embeddings[start:stop]
    base = np.ones(size, bool)
    if words.base is not None:
        base[:count] = words.base[start:stop]
    return tuple(map(ops.convert_to_tensor, (rows, np.arange(size) < count, base)))


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
