"""The rules of PASCAL VOC.

A detection is held against the object of its class that it overlaps most. It finds it
if they overlap by more than the threshold and nobody found it before; difficult objects
are neither to be found nor a mistake to find. Average precision is the area under the
curve (since VOC2010) or the mean of precision at 11 recalls (VOC2007).
"""

from dataclasses import replace

import numpy as np

from vild.evaluation.curves import NONE, Curves
from vild.evaluation.matching import HIT, IGNORED, MISS, Matches, pairs_of
from vild.evaluation.overlaps import BoxOverlaps
from vild.evaluation.predictions import Predictions
from vild.evaluation.protocols import RECALLS
from vild.evaluation.scored import Scored, mean
from vild.evaluation.truth import Truth

THRESHOLDS = np.array([0.5, 0.75])

_NAMES = ("AP50", "AP75")
_ELEVEN = np.arange(0.0, 1.1, 0.1)


def score_voc(truth: Truth, predictions: Predictions) -> Scored:
    """Judges boxes by the rules of PASCAL VOC.

    Args:
        truth: the objects; crowds and those flagged count as difficult.
        predictions: the detections.

    Returns:
        `AP50_area`, `AP75_area`, `AP50_11point`, `AP75_11point`; `AP50` and `AP75` are
        those of the area rule; with `_base` and `_novel` where categories are.

    Source: the devkit of VOC2012, `VOCevaldet.m` and `VOCap.m`; its boxes include
    their last pixel, ours end where it ends, which gives the same overlaps.
    """
    difficult = truth.ignored | truth.crowd
    truth = replace(truth, ignored=difficult, crowd=np.zeros_like(truth.crowd))
    matches = match_voc(truth, predictions)
    count = len(truth.categories)
    recall = np.full((len(THRESHOLDS), count, 1, 1), NONE)
    precision = np.full((len(THRESHOLDS), len(RECALLS), count, 1), NONE)
    wanted = np.bincount(truth.category[~difficult], minlength=count)
    reached = {
        f"{name}_{rule}": np.full(count, NONE)
        for rule in ("area", "11point")
        for name in _NAMES
    }
    edges = np.searchsorted(matches.category, np.arange(count + 1))
    for k in np.flatnonzero(wanted):
        outcome = matches.outcome[edges[k] : edges[k + 1], 0]
        for t, name in enumerate(_NAMES):
            found = np.cumsum(outcome[:, t] == HIT)
            wrong = np.cumsum(outcome[:, t] == MISS)
            values = found / np.maximum(found + wrong, np.finfo(np.float64).eps)
            recalls = found / wanted[k]
            recall[t, k, 0, 0] = recalls[-1] if len(recalls) else 0
            precision[t, :, k, 0] = _at(recalls, values, RECALLS)
            reached[f"{name}_area"][k] = _area(recalls, values)
            reached[f"{name}_11point"][k] = _at(recalls, values, _ELEVEN).sum() / 11
    reached |= {name: reached[f"{name}_area"] for name in _NAMES}
    order = [*_NAMES, *(n for n in reached if n not in _NAMES)]
    metrics = {name: mean(reached[name]) for name in order}
    for suffix, group in truth.groups().items():
        if suffix.startswith("_"):
            metrics |= {f"{n}{suffix}": mean(reached[n][group]) for n in _NAMES}
    curves = Curves(precision, recall, wanted)
    return Scored(metrics, truth, matches, curves, {n: reached[n] for n in order})


def match_voc(truth: Truth, predictions: Predictions) -> Matches:
    """Matches detections and objects.

    Args:
        truth: the objects; those ignored are difficult.
        predictions: the detections.

    Returns:
        What became of them, for one size of objects and two thresholds.
    """
    key = truth.key(predictions.image, predictions.category)
    order = np.lexsort((-predictions.scores, key))
    real = np.argsort(truth.key(truth.image, truth.category), kind="stable")
    best, iou = np.full(len(order), -1), np.zeros(len(order))
    overlaps = BoxOverlaps(truth, predictions)
    for place, objects in pairs_of(truth, key[order], real):
        values = overlaps(order[place], objects)
        first = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
        most = np.maximum.reduceat(values, first)
        number = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(place)]))
        # Of equal overlaps the first object counts.
        is_best = np.flatnonzero(values == most[number])
        chosen = is_best[np.unique(number[is_best], return_index=True)[1]]
        best[place[first]], iou[place[first]] = objects[chosen], most
    category, scores = predictions.category[order], predictions.scores[order]
    final = np.lexsort((predictions.image[order], -scores, category))
    best, iou = best[final], iou[final]
    outcome = np.full((len(final), 1, len(THRESHOLDS)), MISS, np.uint8)
    for t, threshold in enumerate(THRESHOLDS):
        near = np.flatnonzero(iou > threshold)
        hard = truth.ignored[best[near]]
        outcome[near[hard], 0, t] = IGNORED
        near = near[~hard]
        outcome[near[np.unique(best[near], return_index=True)[1]], 0, t] = HIT
    return Matches(
        rows=order[final],
        category=category[final],
        image=predictions.image[order][final],
        scores=scores[final],
        rank=np.zeros(len(final), np.int64),
        outcome=outcome,
        wanted_category=truth.category,
        wanted_image=truth.image,
        wanted=~truth.ignored[:, None],
    )


def _at(recalls: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The best precision at some recalls or above; 0 where these are not reached."""
    envelope = np.append(np.maximum.accumulate(values[::-1])[::-1], 0.0)
    return envelope[np.searchsorted(recalls, at, "left")]


def _area(recalls: np.ndarray, values: np.ndarray) -> float:
    x = np.concatenate([[0.0], recalls, [1.0]])
    y = np.concatenate([[0.0], values, [0.0]])
    y = np.maximum.accumulate(y[::-1])[::-1]
    return float(np.sum(np.diff(x) * y[1:]))
