"""Arrays of regions x a vocabulary -> scores and detections.

A small vocabulary is compared at once, a large one a chunk of classes at a time, with
the same results and in bounded memory.

Detections are found in a walk over candidates: the best (class, region) pairs. A
pair is suppressed by better ones of its own class only, so a few thousand candidates
nearly always fill the detections; where they do not, the walk begins anew with more.
"""

import functools
from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.errors import InputError
from vild.matching.inputs import Arrays
from vild.matching.scored import Scored
from vild.matching.streamed import FEWEST_ROWS, Streamed
from vild.matching.whole import Whole
from vild.ops import selection, streaming
from vild.settings import Settings
from vild.vocabulary import Vocabulary

__all__ = ["Arrays", "detect", "detect_scored", "scores"]

ops = keras.ops

# (class, region) pairs that are looked at first: nearly always enough to fill
# the detections, and a size that every framework's top-k is fast at.
_CANDIDATES = 4096

# Numbers in the largest array of a step: where everything fits into one step, and
# where it does not. One pass is faster than two; larger chunks are not faster.
_WHOLE = 2**23
_CHUNK = 2**21


def detect(
    arrays: Arrays,
    words: Vocabulary,
    chosen: Settings,
    chunk_size: int | None = None,
    rivals: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regions, classes and scores of the detections, best first.

    Args:
        arrays: the regions.
        words: a vocabulary with base flags.
        chosen: the settings.
        chunk_size: classes compared at a time; None: chosen here.
        rivals: (R, D) float32 unit rows of classes that compete for the regions and
            are not reported.

    Returns:
        (M,) int32 regions, (M,) int64 classes and (M,) float32 scores.

    Raises:
        InputError: for a `chunk_size` that is no whole number above 0.
    """
    source = _source(arrays, words, chunk_size, rivals)
    pairs = len(arrays.boxes) * len(words)
    exponent = streaming.exponent(arrays.image)
    return _walk(source, arrays.boxes, pairs, exponent, chosen)


def detect_scored(
    scores: np.ndarray, boxes: np.ndarray, chosen: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for regions that are scored already.

    Args:
        scores: (N, K) float32.
        boxes: (N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        chosen: the settings.

    Returns:
        As `detect`.
    """
    return _walk(Scored(scores), boxes, scores.size, 1.0, chosen)


def _walk(
    source: Whole | Streamed | Scored,
    boxes: np.ndarray,
    pairs: int,
    exponent: float,
    chosen: Settings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lowest = np.float32(chosen.score_threshold)
    threshold = ops.convert_to_tensor(lowest)
    regions = len(boxes)
    if chosen.nms_iou is None:
        limit = min(chosen.max_detections, regions)
        outputs = source.best_classes(threshold, limit)
        values, region, class_ids, count = map(ops.convert_to_numpy, outputs)
        kept = slice(0, int(count[0]))
        return region[0, kept], class_ids[0, kept].astype("int64"), values[0, kept]
    inputs = ops.convert_to_tensor(boxes[None])
    iou = ops.convert_to_tensor(np.float32(chosen.nms_iou))
    per_class = min(chosen.pre_nms_detections, regions)
    limit = min(chosen.max_detections, pairs)
    most = source.most(per_class, limit)
    number = max(min(_CANDIDATES, most), limit)
    run = _suppress(per_class, limit, exponent)
    while True:
        found = source.candidates(number, per_class)
        outputs = run(*found, inputs, threshold, iou)
        values, region, class_ids, kept, count = map(ops.convert_to_numpy, outputs)
        full = count[0] == limit
        # The walk is exact if it ended for want of room or of candidates.
        if full or number == most or values[0, -1] <= lowest:
            break
        number = min(8 * number, most)
    kept = kept[0, : int(count[0])]
    return region[0, kept], class_ids[0, kept].astype("int64"), values[0, kept]


def scores(
    arrays: Arrays,
    words: Vocabulary,
    chunk_size: int | None = None,
    rivals: np.ndarray | None = None,
) -> np.ndarray:
    """The score of every class at every region.

    Args:
        arrays: the regions.
        words: a vocabulary with base flags.
        chunk_size: classes compared at a time; None: chosen here.
        rivals: as for `detect`.

    Returns:
        (N, K) float32.

    Raises:
        InputError: for a `chunk_size` that is no whole number above 0.
    """
    return _source(arrays, words, chunk_size, rivals).scores()


def _source(
    arrays: Arrays,
    words: Vocabulary,
    chunk_size: int | None,
    rivals: np.ndarray | None,
) -> Whole | Streamed:
    """The vocabulary at once or in chunks, whichever it takes."""
    width = max(arrays.text.shape)
    if chunk_size is None:
        if len(words) * width <= _WHOLE:
            return Whole(arrays, words, rivals)
        chunk_size = max(_CHUNK // width // 256, 1) * 256
    elif (
        isinstance(chunk_size, bool)
        or not isinstance(chunk_size, int | np.integer)
        or chunk_size < 1
    ):
        raise InputError(
            "chunk_size must be a whole number above 0, or None to leave it to vild; "
            f"received {chunk_size!r}."
        )
    if len(words) <= max(chunk_size, FEWEST_ROWS):
        return Whole(arrays, words, rivals)
    return Streamed(arrays, words, int(chunk_size), rivals)


@functools.cache
def _suppress(per_class: int, limit: int, exponent: float) -> Any:
    """Exact suppression among candidates, compiled for these sizes."""

    def run(products: Any, regions: Any, classes: Any, *more: Any) -> tuple[Any, ...]:
        boxes, threshold, iou = more
        # The root keeps the order: take it of the candidates only.
        values = streaming.scores(products, exponent)
        kept, count = selection.select(
            boxes,
            values,
            regions,
            classes,
            threshold=threshold,
            iou=iou,
            per_class=per_class,
            limit=limit,
        )
        return values, regions, classes, kept, count

    return kernels.compile(run, [])
