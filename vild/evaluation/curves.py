"""Precision and recall of each category, from what became of its detections."""

from dataclasses import dataclass

import numpy as np

from vild.evaluation.matching import HIT, MISS, Matches
from vild.evaluation.protocols import AREAS, IOU_THRESHOLDS, RECALLS

NONE = -1.0
"""In place of a number where there is nothing to be found."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Precision and recall.

    Attributes:
        precision: (T, R, K, A) float64: by overlap, recall, category and size, at the
            largest number of detections; `NONE` where there is nothing to be found.
        recall: (T, K, A, M) float64: by number of detections.
        objects: (K,) int64: how many there are to be found.
    """

    precision: np.ndarray
    recall: np.ndarray
    objects: np.ndarray


def curves(matches: Matches, categories: int, limits: tuple[int, ...]) -> Curves:
    """Adds up precision and recall.

    Args:
        matches: what became of the detections.
        categories: how many there are.
        limits: numbers of detections of an image and a category at which recall is
            told.

    Returns:
        Both.

    Source: `accumulate` of pycocotools 2.0 and of lvis 0.5.3.
    """
    shape = len(IOU_THRESHOLDS), len(RECALLS), categories, len(AREAS)
    precision = np.full(shape, NONE)
    recall = np.full((shape[0], categories, shape[3], len(limits)), NONE)
    wanted = np.zeros((categories, shape[3]), np.int64)
    np.add.at(wanted, matches.wanted_category, matches.wanted)
    edges = np.searchsorted(matches.category, np.arange(categories + 1))
    for k in np.flatnonzero(wanted.any(axis=1)):
        part = slice(edges[k], edges[k + 1])
        outcome, rank = matches.outcome[part], matches.rank[part]
        sizes = np.flatnonzero(wanted[k])
        hits = outcome[:, sizes] == HIT
        precision[:, :, k, sizes] = _precision(
            hits, outcome[:, sizes] == MISS, wanted[k, sizes]
        ).transpose(1, 2, 0)
        for m, limit in enumerate(limits):
            found = hits[rank < limit].sum(axis=0)
            recall[:, k, sizes, m] = (found / wanted[k, sizes, None]).T
    return Curves(precision, recall, wanted[:, 0])


def _precision(hits: np.ndarray, misses: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(A, T, R) best precision at a recall or above, of (N, A, T) by falling score."""
    count, sizes, thresholds = hits.shape
    result = np.zeros((sizes, thresholds, len(RECALLS)))
    if not count:
        return result
    found = np.cumsum(hits, axis=0, dtype=np.int32)
    wrong = np.cumsum(misses, axis=0, dtype=np.int32)
    values = found / (wrong + found + np.spacing(1))
    values = np.maximum.accumulate(values[::-1], axis=0)[::-1]
    # One search for all thresholds: each has numbers of its own, above those before.
    above = np.arange(thresholds) * (count + 2)
    for a in range(sizes):
        # The fewest finds that reach a recall, as rounding has it.
        steps = np.arange(wanted[a] + 1) / wanted[a]
        fewest = np.searchsorted(steps, RECALLS, "left").clip(max=count + 1)
        columns = (found[:, a] + above).T.ravel()
        place = np.searchsorted(columns, above[:, None] + fewest, "left")
        place -= np.arange(thresholds)[:, None] * count
        which = np.nonzero(place < count)
        result[a][which] = values[place[which], a, which[0]]
    return result
