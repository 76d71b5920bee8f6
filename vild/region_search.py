"""Regions x anything with a vector -> how alike they are, and the best boxes."""

import functools
import os
from typing import Any

import numpy as np
from PIL import Image

from vild.backends import keras, kernels
from vild.data.images import load_image
from vild.data.squares import to_square
from vild.errors import InputError
from vild.lexicon import Lexicon
from vild.ops import selection
from vild.teachers.calls import encode_image
from vild.vocabulary import Vocabulary
from vild.vocabulary_checks import check_dim

ops = keras.ops

_NO_DETECTOR = (
    "These regions were loaded without a detector, which knows words and images: pass "
    "vectors or a vild.Vocabulary, or load them with detector=."
)


def query_rows(query: Any, lexicon: Lexicon | None, dim: int) -> Vocabulary:
    """Whatever is looked for -> named rows.

    Args:
        query: a text, a picture, vectors, a vocabulary, or a list of texts or of
            pictures; see `Regions.similarity`.
        lexicon: knows words and has the teacher; None without one.
        dim: D, dimension of the regions' vectors.

    Returns:
        A vocabulary of Q rows.

    Raises:
        InputError: for what cannot be looked for.
        TeacherError: if it needs a teacher, and there is none that can.
    """
    if isinstance(query, Vocabulary):
        check_dim(query, dim)
        return query
    if isinstance(query, np.ndarray) and query.dtype.kind == "f":
        rows = np.atleast_2d(query)
        names = [f"query {i + 1}" for i in range(len(rows))]
        words = Vocabulary(names, rows)
        check_dim(words, dim)
        return words
    if not is_single(query) and not isinstance(query, list | tuple):
        raise InputError(
            "What to look for must be a text, a picture, float vectors, a Vocabulary "
            f"or a list of texts or pictures, received {type(query).__name__}."
        )
    items = [query] if is_single(query) else list(query)
    if not items:
        raise InputError("There is nothing to look for: the list is empty.")
    if lexicon is None:
        raise InputError(_NO_DETECTOR)
    if all(isinstance(item, str | list | tuple) for item in items):
        return lexicon.vocabulary(items)
    teacher = lexicon.teacher
    resize = getattr(teacher, "resize", "squash")
    squares = [to_square(load_image(i), teacher.image_size, resize) for i in items]
    rows = encode_image(teacher, np.stack(squares))
    return Vocabulary([f"query {i + 1}" for i in range(len(rows))], rows)


def is_single(query: Any) -> bool:
    """Whether one thing is looked for.

    Args:
        query: as for `query_rows`.

    Returns:
        False for lists, vocabularies and matrices.
    """
    if isinstance(query, np.ndarray):
        return query.ndim == (1 if query.dtype.kind == "f" else 3)
    return isinstance(query, str | os.PathLike | Image.Image)


def best_boxes(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, iou: float, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best regions that do not overlap each other.

    Args:
        boxes: (N, 4) float32, y1 x1 y2 x2.
        scores: (N,) float32.
        threshold: keep scores strictly above this.
        iou: suppress at an overlap of this or more.
        limit: how many to keep at most.

    Returns:
        Positions and scores of those kept, best first.
    """
    arguments = [boxes[None], scores[None], np.float32(threshold), np.float32(iou)]
    run = _suppress(min(limit, len(boxes)))
    outputs = run(*(ops.convert_to_tensor(argument) for argument in arguments))
    values, regions, kept, count = map(ops.convert_to_numpy, outputs)
    chosen = kept[0, : int(count[0])]
    return regions[0, chosen], values[0, chosen]


@functools.cache
def _suppress(limit: int) -> Any:
    """Suppression of one class, compiled for this size."""

    def run(boxes: Any, scores: Any, threshold: Any, iou: Any) -> tuple[Any, ...]:
        values, regions = kernels.top_k(scores, scores.shape[1])
        kept, count = selection.select(
            boxes,
            values,
            regions,
            ops.zeros_like(regions),
            threshold=threshold,
            iou=iou,
            per_class=scores.shape[1],
            limit=limit,
        )
        return values, regions, kept, count

    return kernels.compile(run, [])
