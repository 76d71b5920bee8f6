"""Objects x predictions -> metrics, by the rules of a protocol."""

from dataclasses import replace

import numpy as np

from vild.data.categories import Category
from vild.evaluation.curves import Curves, curves
from vild.evaluation.matching import match
from vild.evaluation.overlaps import BoxOverlaps, MaskOverlaps
from vild.evaluation.predictions import Predictions
from vild.evaluation.protocols import AREAS, Protocol
from vild.evaluation.scored import Metrics, Scored, mean
from vild.evaluation.truth import Truth

_AP50, _AP75 = 0, 5  # of IOU_THRESHOLDS


def score(
    truth: Truth, predictions: Predictions, protocol: Protocol, masks: bool = False
) -> Scored:
    """Judges predictions.

    Args:
        truth: the objects.
        predictions: the detections; with masks if these are to be judged.
        protocol: of COCO's or LVIS's rules.
        masks: whether to compare masks rather than boxes.

    Returns:
        Metrics under their usual names, as fractions: `AP`, `AP50`, `AP75`, `APs`,
        `APm`, `APl`; `APr`, `APc`, `APf` where categories have a frequency;
        `AP_base`, `AP50_base`, `AP75_base` and the same of `_novel` where some are
        novel; `AR@300` and so on.
    """
    excused = None
    if protocol.rules == "lvis":
        truth = replace(truth, crowd=np.zeros_like(truth.crowd))
    else:
        truth = replace(truth, ignored=truth.crowd)
    if protocol.open_vocabulary:
        truth, predictions = _only_split(truth, predictions)
    if protocol.per_image is not None:
        predictions = predictions.best_of_images(protocol.per_image)
    if protocol.rules == "lvis":
        truth, predictions, excused = _federated(truth, predictions)
    overlaps = (MaskOverlaps if masks else BoxOverlaps)(truth, predictions)
    limit = protocol.per_class[-1] if protocol.per_class else None
    matches = match(truth, predictions, overlaps, limit, excused)
    found = curves(matches, len(truth.categories), protocol.per_class)
    metrics = _precision(found, truth) | _recall(found, protocol.per_class)
    return Scored(metrics, truth, matches, found, _by_category(found))


def score_proposals(
    truth: Truth, predictions: Predictions, protocol: Protocol
) -> Scored:
    """Judges boxes without classes by how many objects they find.

    Args:
        truth: the objects.
        predictions: boxes with scores; categories do not matter.
        protocol: of the rules of proposals.

    Returns:
        `AR@100`, `ARs@1000` and so on, of all objects, and of those of base and of
        novel categories, each alone: `AR@100_base`.
    """
    groups = {suffix: g for suffix, g in truth.groups().items() if suffix[0] == "_"}
    every = np.ones(len(truth.categories), bool)
    parts = {
        suffix: _score_boxes(truth.keep(group[truth.category]), predictions, protocol)
        for suffix, group in {"": every, **groups}.items()
    }
    metrics = {
        f"{name}{suffix}": value
        for suffix, part in parts.items()
        for name, value in part.metrics.items()
    }
    return replace(parts[""], metrics=metrics)


def _score_boxes(truth: Truth, predictions: Predictions, protocol: Protocol) -> Scored:
    one = replace(
        truth,
        categories=[Category(1, "object")],
        category=np.zeros_like(truth.category),
        ignored=truth.crowd,
    )
    boxes = replace(predictions, category=np.zeros_like(predictions.category))
    overlaps = BoxOverlaps(one, boxes)
    matches = match(one, boxes, overlaps, protocol.per_class[-1])
    found = curves(matches, 1, protocol.per_class)
    metrics = _recall(found, protocol.per_class)
    reached = {"AR": found.recall[:, :, 0, -1].mean(axis=0)}
    return Scored(metrics, one, matches, found, reached)


def _federated(
    truth: Truth, predictions: Predictions
) -> tuple[Truth, Predictions, np.ndarray]:
    """Leaves out what an image's annotation says nothing about (LVIS)."""
    # Objects and detections without area take no part in the LVIS API.
    truth = truth.keep(truth.areas > 0)
    key = truth.key(predictions.image, predictions.category)
    there = truth.key(truth.image, truth.category)
    told = np.isin(key, np.concatenate([there, truth.negative]))
    told &= predictions.areas > 0
    excused = np.isin(key[told], truth.not_exhaustive)
    return truth, predictions.keep(told), excused


def _only_split(truth: Truth, predictions: Predictions) -> tuple[Truth, Predictions]:
    """Leaves out excluded categories, and images that show none of the others."""
    excluded = np.array([category.excluded for category in truth.categories], bool)
    truth = truth.keep(~excluded[truth.category])
    shown = np.zeros(len(truth.image_ids), bool)
    shown[truth.image] = True
    kept = shown[predictions.image] & ~excluded[predictions.category]
    return truth, predictions.keep(kept)


def _by_category(found: Curves) -> dict[str, np.ndarray]:
    """(K,) what was reached for each category."""
    precision = found.precision[..., 0].mean(axis=1)
    return {
        "AP": precision.mean(axis=0),
        "AP50": precision[_AP50],
        "AP75": precision[_AP75],
        "AR": found.recall[:, :, 0, -1].mean(axis=0),
    }


def _precision(found: Curves, truth: Truth) -> Metrics:
    every = found.precision[..., 0]
    metrics = {
        "AP": mean(every),
        "AP50": mean(every[_AP50]),
        "AP75": mean(every[_AP75]),
    }
    for a, letter in enumerate(AREAS):
        if letter:
            metrics[f"AP{letter}"] = mean(found.precision[..., a])
    for suffix, group in truth.groups().items():
        part = every[..., group]
        metrics[f"AP{suffix}"] = mean(part)
        if suffix.startswith("_"):
            metrics[f"AP50{suffix}"] = mean(part[_AP50])
            metrics[f"AP75{suffix}"] = mean(part[_AP75])
    return metrics


def _recall(found: Curves, limits: tuple[int, ...]) -> Metrics:
    metrics = {
        f"AR@{limit}": mean(found.recall[:, :, 0, m]) for m, limit in enumerate(limits)
    }
    for a, letter in enumerate(AREAS):
        if letter:
            name = f"AR{letter}@{limits[-1]}"
            metrics[name] = mean(found.recall[:, :, a, -1])
    return metrics
