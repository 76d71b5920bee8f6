"""How far metrics would move with other images: the bootstrap.

Images are drawn again, with replacement, as many as there are; matches stay, since
images do not see each other, and only count as often as their image was drawn.
"""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from vild.errors import InputError
from vild.evaluation.curves import NONE
from vild.evaluation.matching import HIT, IGNORED, Matches
from vild.evaluation.protocols import RECALLS, Protocol
from vild.evaluation.scored import Scored

# Numbers in the largest array of a step.
_LARGEST = 2**23


@dataclass(frozen=True)
class Interval:
    """Where a metric lies, were the images others of the same kind.

    Attributes:
        value: the metric.
        low: lower end.
        high: upper end.
        level: the share of resampled metrics in between.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        low, value, high = (100 * x for x in (self.low, self.value, self.high))
        return f"{value:.1f} ({low:.1f} to {high:.1f})"


def draw(images: int, samples: int, seed: int = 0) -> np.ndarray:
    """Draws images with replacement.

    Args:
        images: how many there are.
        samples: how often they are drawn.
        seed: of the numbers.

    Returns:
        (S, I) int32: how often each image was drawn; each row adds up to `images`.

    Raises:
        InputError: if there is nothing to draw.

    Example:
        >>> draw(5, 2).sum(axis=1)
        array([5, 5])
    """
    if samples < 1 or images < 1:
        raise InputError(
            f"A bootstrap needs images and samples, received {images} and {samples}."
        )
    rng = np.random.default_rng(seed)
    even = np.full(images, 1 / images)
    return rng.multinomial(images, even, samples).astype(np.int32)


def resampled(
    scored: Scored, protocol: Protocol, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Metrics of resampled images.

    Args:
        scored: what was reached.
        protocol: how it was judged.
        weights: (S, I) of `draw`.

    Returns:
        Name of a metric -> (S,) values; `NONE` where nothing was to be found. There
        are `AP`, `AP50` and `AP75`, also of groups of categories; for proposals, the
        recall at the most boxes.
    """
    reached = _by_category(scored, protocol, weights)
    found: dict[str, np.ndarray] = {}
    groups = {"": np.ones(len(scored.truth.categories), bool), **scored.truth.groups()}
    for suffix, group in groups.items():
        for name, values in reached.items():
            if f"{name}{suffix}" in scored.metrics:
                found[f"{name}{suffix}"] = _mean(values[:, group])
    return found


def intervals(
    scored: Scored,
    protocol: Protocol,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Intervals of confidence over images.

    Args:
        scored: what was reached.
        protocol: how it was judged.
        samples: how often images are drawn.
        level: share of resampled metrics in an interval.
        seed: of the numbers.

    Returns:
        Name of a metric -> interval.

    Raises:
        InputError: for a level out of range, or if there are no images.

    Source: Efron, Bootstrap methods (1979); percentiles, with the mean shift removed.
    """
    if not 0 < level < 1:
        raise InputError(f"A level lies between 0 and 1, received {level!r}.")
    weights = draw(len(scored.truth.image_ids), samples, seed)
    return {
        name: interval(scored.metrics[name], values[values > NONE], level)
        for name, values in resampled(scored, protocol, weights).items()
        if scored.metrics[name] > NONE
    }


def interval(
    value: float, values: np.ndarray, level: float, lowest: float = 0.0
) -> Interval:
    """The middle part of resampled values, moved to lie around the metric.

    Drawing again leaves out a third of the images and repeats others, which makes a
    class of few images look easier than it is: the spread is kept, that shift is not.

    Args:
        value: the metric itself.
        values: (S,) resampled, of samples in which something was to be found.
        level: the share that is in it.
        lowest: the lowest value there may be; the highest is 1.

    Returns:
        The interval; all of it `value` if there are no values.
    """
    if not len(values):
        return Interval(value, value, value, level)
    ends = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    low, high = (ends - values.mean() + value).clip(lowest, 1)
    return Interval(value, float(low), float(high), level)


def _by_category(
    scored: Scored, protocol: Protocol, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Name of a metric -> (S, K)."""
    matches, count = scored.matches, len(scored.truth.categories)
    wanted = np.full((len(weights), count), 0, np.int64)
    real = matches.wanted[:, 0]
    columns = weights[:, matches.wanted_image[real]]
    of = matches.wanted_category[real]
    order = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[order], np.arange(count + 1))
    edges = np.searchsorted(matches.category, np.arange(count + 1))
    limit = protocol.per_class[-1] if protocol.per_class else None
    thresholds = matches.outcome.shape[2]
    precision = np.full((thresholds, len(weights), count), NONE)
    recall = np.full((len(weights), count), NONE)
    for k in tqdm(np.flatnonzero(np.diff(starts)), unit="category", disable=None):
        here = columns[:, order[starts[k] : starts[k + 1]]].sum(axis=1)
        wanted[:, k] = here
        drawn = np.flatnonzero(here)
        part = slice(edges[k], edges[k + 1])
        step = max(_LARGEST // max(edges[k + 1] - edges[k], 1), 1)
        for start in range(0, len(drawn), step):
            rows = drawn[start : start + step]
            values, found = _category(
                matches, part, weights[rows], here[rows], protocol, limit
            )
            precision[:, rows, k] = values
            recall[rows, k] = found
    if protocol.rules == "proposals":
        return {f"AR@{protocol.per_class[-1]}": recall}
    if protocol.rules == "voc":
        return {"AP50": precision[0], "AP75": precision[1]}
    return {"AP": precision.mean(axis=0), "AP50": precision[0], "AP75": precision[5]}


def _category(
    matches: Matches,
    part: slice,
    weights: np.ndarray,
    wanted: np.ndarray,
    protocol: Protocol,
    limit: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """(T, S) average precision and (S,) average recall of a category."""
    outcome = matches.outcome[part, 0]
    each = weights[:, matches.image[part]]
    counted = outcome != IGNORED
    shared = bool((counted == counted[:, :1]).all())
    so_far = np.cumsum(each * counted[:, 0], axis=1)
    precision = np.zeros((outcome.shape[1], len(weights)))
    recall = np.zeros((outcome.shape[1], len(weights)))
    inside = np.ones(len(outcome), bool)
    if limit is not None:
        inside = matches.rank[part] < limit
    for t in range(outcome.shape[1]):
        hits = np.flatnonzero((outcome[:, t] == HIT) & inside)
        if not len(hits):
            continue
        # Precision is highest at finds, so nothing else need be looked at.
        found = np.cumsum(each[:, hits], axis=1)
        if not shared:
            so_far = np.cumsum(each * counted[:, t], axis=1)
        values = found / np.maximum(so_far[:, hits], 1)
        values = np.maximum.accumulate(values[:, ::-1], axis=1)[:, ::-1]
        reached = found / wanted[:, None]
        if protocol.rules == "voc":
            share = np.diff(reached, axis=1, prepend=0)
        else:
            passed = np.searchsorted(RECALLS, reached, "right")
            share = np.diff(passed, axis=1, prepend=0) / len(RECALLS)
        precision[t] = (values * share).sum(axis=1)
        recall[t] = reached[:, -1]
    return precision, recall.mean(axis=0)


def _mean(values: np.ndarray) -> np.ndarray:
    """(S,) means over categories of which something was to be found."""
    told = values > NONE
    total = np.where(told, values, 0).sum(axis=1)
    return np.where(told.any(axis=1), total / np.maximum(told.sum(axis=1), 1), NONE)
