"""Detections and objects are matched, greedily as in the COCO and LVIS APIs.

Within an image and a category detections choose in order of score. Images and
categories do not see each other, so the first detections of all choose at once, then
the second ones, and so on; only pairs that overlap enough take part.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vild.evaluation.overlaps import Overlaps
from vild.evaluation.predictions import Predictions, rank_in_runs
from vild.evaluation.protocols import AREAS, IOU_THRESHOLDS
from vild.evaluation.truth import Truth

MISS, HIT, IGNORED = 0, 1, 2

# Pairs that are looked at together: what bounds the memory.
_PAIRS = 2**18

_LOWEST, _HIGHEST = (np.array(limits) for limits in zip(*AREAS.values(), strict=True))
_THRESHOLDS = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of detections and objects.

    Attributes:
        rows: (N,) int64: the detections by category, score, image; numbers in the
            predictions that took part.
        category: (N,) int64.
        image: (N,) int64.
        scores: (N,) float64.
        rank: (N,) int64: place among those of its image and category.
        outcome: (N, A, T) uint8: `MISS`, `HIT` or `IGNORED`, by size of objects and
            threshold.
        wanted_category, wanted_image: (G,) int64 of the objects.
        wanted: (G, A) bool: whether an object is to be found.
    """

    rows: np.ndarray
    category: np.ndarray
    image: np.ndarray
    scores: np.ndarray
    rank: np.ndarray
    outcome: np.ndarray
    wanted_category: np.ndarray
    wanted_image: np.ndarray
    wanted: np.ndarray


def match(
    truth: Truth,
    predictions: Predictions,
    overlaps: Overlaps,
    limit: int | None,
    excused: np.ndarray | None = None,
) -> Matches:
    """Matches detections and objects.

    Args:
        truth: the objects.
        predictions: the detections.
        overlaps: of pairs of them.
        limit: detections of an image and a category that count; None for all.
        excused: (N,) bool: detections that are no mistake if they find nothing.

    Returns:
        What became of them.

    Source: `evaluateImg` of pycocotools 2.0 and of lvis 0.5.3. An object whose
    annotation has the id 0 counts as found by nobody there, and so it does here.
    """
    key = truth.key(predictions.image, predictions.category)
    order = np.lexsort((-predictions.scores, key))
    rank = rank_in_runs(key[order])
    if limit is not None:
        order, rank = order[rank < limit], rank[rank < limit]
    real = np.argsort(truth.key(truth.image, truth.category), kind="stable")
    areas = truth.areas[:, None]
    # An object of another size is neither to be found nor a mistake to find.
    ignored = truth.ignored[:, None] | (areas < _LOWEST) | (areas > _HIGHEST)
    chosen = np.zeros((len(order), len(AREAS), len(_THRESHOLDS)), np.uint8)
    taken = np.zeros((len(truth), *chosen.shape[1:]), bool)
    for pairs in pairs_of(truth, key[order], real):
        place, objects = pairs
        iou = overlaps(order[place], objects)
        close = iou >= _THRESHOLDS[0]
        candidates = _Candidates.sort(place[close], objects[close], iou[close], rank)
        for part in candidates.rounds():
            _choose(part, truth, ignored, taken, chosen)
    size = predictions.areas[order, None]
    free = (size < _LOWEST) | (size > _HIGHEST)
    if excused is not None:
        free |= excused[order, None]
    chosen[(chosen == MISS) & free[:, :, None]] = IGNORED
    category, scores = predictions.category[order], predictions.scores[order]
    # Ties go by image, then by place in it, which is the order so far.
    final = np.lexsort((predictions.image[order], -scores, category))
    return Matches(
        rows=order[final],
        category=category[final],
        image=predictions.image[order][final],
        scores=scores[final],
        rank=rank[final],
        outcome=chosen[final],
        wanted_category=truth.category,
        wanted_image=truth.image,
        wanted=~ignored,
    )


def pairs_of(
    truth: Truth, keys: np.ndarray, real: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Detections with each object of their image and category, some at a time.

    Args:
        truth: the objects.
        keys: (N,) rising: `truth.key` of each detection.
        real: (A,) the objects, by rising key.

    Yields:
        (P,) places of detections in `keys`, (P,) numbers of objects.
    """
    real_keys = truth.key(truth.image[real], truth.category[real])
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    first = np.searchsorted(real_keys, keys[starts], "left")
    count = np.searchsorted(real_keys, keys[starts], "right") - first
    length = np.diff(np.r_[starts, len(keys)])
    starts, first, count, length = (
        x[count > 0] for x in (starts, first, count, length)
    )
    ends = np.cumsum(count * length)
    low = 0
    while low < len(ends):
        before = ends[low - 1] if low else 0
        high = max(int(np.searchsorted(ends, before + _PAIRS)), low + 1)
        part = slice(low, high)
        places = _ranges(starts[part], length[part])
        each = np.repeat(count[part], length[part])
        objects = _ranges(np.repeat(first[part], length[part]), each)
        yield np.repeat(places, each), real[objects]
        low = high


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start, start + 1, ... of each length, one after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)


@dataclass(frozen=True)
class _Candidates:
    """Pairs that overlap enough, the pairs of a detection by rising overlap."""

    place: np.ndarray
    real: np.ndarray
    iou: np.ndarray
    turn: np.ndarray

    @classmethod
    def sort(
        cls, place: np.ndarray, real: np.ndarray, iou: np.ndarray, rank: np.ndarray
    ) -> "_Candidates":
        # Of equal overlaps the later object is chosen; objects come in their order.
        inner = np.lexsort((np.arange(len(place)), iou, place))
        place, real, iou = place[inner], real[inner], iou[inner]
        turn = np.zeros(len(place), np.int64)
        if len(place):
            # Detections without candidates do not take turns.
            new = np.r_[True, place[1:] != place[:-1]]
            number = np.cumsum(new) - 1
            of = place - rank[place]  # where its image and category begin
            turn = rank_in_runs(of[new])[number]
        by_turn = np.argsort(turn, kind="stable")
        return cls(place[by_turn], real[by_turn], iou[by_turn], turn[by_turn])

    def rounds(self) -> Iterator["_Candidates"]:
        """Pairs whose detections choose at the same time."""
        edges = np.flatnonzero(np.r_[True, self.turn[1:] != self.turn[:-1]])
        for low, high in zip(edges, [*edges[1:], len(self.turn)], strict=True):
            part = slice(low, high)
            if high > low:
                yield _Candidates(
                    self.place[part], self.real[part], self.iou[part], self.turn[part]
                )


def _choose(
    pairs: _Candidates,
    truth: Truth,
    ignored: np.ndarray,
    taken: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Each detection takes the object it overlaps most of those that are left."""
    real = pairs.real
    new = np.r_[True, pairs.place[1:] != pairs.place[:-1]]
    first = np.flatnonzero(new)
    inner = (np.arange(len(real)) - first[np.cumsum(new) - 1] + 1).astype(np.int32)
    free = ~taken[real] | truth.crowd[real][:, None, None]
    free &= (pairs.iou[:, None] >= _THRESHOLDS)[:, None]
    # An object that is to be found goes before any that is ignored.
    far = np.int32(len(real) + 1)
    worth = inner[:, None] + far * ~ignored[real]
    best = np.maximum.reduceat(np.where(free, worth[:, :, None], 0), first, axis=0)
    who, area, threshold = np.nonzero(best)
    pair = first[who] + best[who, area, threshold] % far - 1
    objects = real[pair]
    taken[objects, area, threshold] = True
    unnamed = np.where(truth.ids[objects] == 0, MISS, HIT)
    outcome = np.where(ignored[objects, area], IGNORED, unnamed)
    chosen[pairs.place[first[who]], area, threshold] = outcome
