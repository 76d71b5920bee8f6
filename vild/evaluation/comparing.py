"""Two runs on the same images, beside each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.errors import InputError
from vild.evaluation.bootstrap import Interval, draw, interval, resampled
from vild.evaluation.curves import NONE
from vild.evaluation.evaluation import Evaluation


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a run gains over another.

    Attributes:
        kind: `bbox` or `segm`.
        differences: name of a metric -> how much higher it is in the second run, with
            its interval over images. One that does not hold 0 is hardly chance.
        categories: one dict a category with `id`, `name`, `objects`, `first`,
            `second` and `difference`, the largest loss first.
        metric: which metric of categories that is.
    """

    kind: str
    differences: dict[str, Interval]
    categories: list[dict[str, Any]]
    metric: str

    def table(self, rows: int = 10) -> str:
        """The comparison as text, in per cent.

        Args:
            rows: how many categories are shown of those that lose, and that gain,
                most.

        Returns:
            Lines.
        """
        lines = [f"{self.kind}: difference (95% over images)"]
        for name, value in self.differences.items():
            lines.append(f"  {name:<12} {value.value * 100:+6.1f}  {_range(value)}")
        changed = [row for row in self.categories if row["difference"]]
        most = [r for r in changed if r["difference"] < 0][:rows]
        best = [r for r in changed if r["difference"] > 0][-rows:]
        for title, part in (("loses", most), ("gains", best[::-1])):
            if part:
                lines.append(f"{self.metric} {title} most:")
            lines += [
                f"  {row['difference'] * 100:+6.1f}  {100 * row['first']:5.1f} -> "
                f"{100 * row['second']:5.1f}  {row['name']} ({row['objects']})"
                for row in part
            ]
        return "\n".join(lines)


def compare(
    first: Evaluation,
    second: Evaluation,
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compares two runs on the same images by the same protocol.

    The same images are drawn for both, so that their difference is far surer than
    either.

    Args:
        first: the run to compare with.
        second: the run in question.
        samples: how often images are drawn.
        level: share of resampled differences in an interval.
        seed: of the numbers.

    Returns:
        `bbox`, and `segm` where both have it -> the comparison.

    Raises:
        InputError: if they are of other images, categories or protocols.
    """
    _check_same(first, second)
    weights = draw(len(first.truth.image_ids), samples, seed)
    found = {}
    for kind, one in first.scored.items():
        other = second.scored.get(kind)
        if other is None:
            continue
        before = resampled(one, first.protocol, weights)
        after = resampled(other, second.protocol, weights)
        differences = {}
        for name, values in before.items():
            told = (values > NONE) & (after[name] > NONE)
            if told.any() and one.metrics[name] > NONE:
                value = other.metrics[name] - one.metrics[name]
                gains = after[name][told] - values[told]
                differences[name] = interval(value, gains, level, lowest=-1)
        metric = next(iter(one.reached))
        rows = _rows(first, one.reached[metric], other.reached[metric], kind)
        found[kind] = Comparison(kind, differences, rows, metric)
    return found


def _rows(
    evaluation: Evaluation, before: np.ndarray, after: np.ndarray, kind: str
) -> list[dict[str, Any]]:
    scored = evaluation.scored[kind]
    rows = [
        {
            "id": category.id,
            "name": category.name,
            "objects": int(scored.curves.objects[k]),
            "first": float(before[k]),
            "second": float(after[k]),
            "difference": float(after[k] - before[k]),
        }
        for k, category in enumerate(scored.truth.categories)
        if before[k] > NONE
    ]
    return sorted(rows, key=lambda row: row["difference"])


def _check_same(first: Evaluation, second: Evaluation) -> None:
    images = np.array_equal(first.truth.image_ids, second.truth.image_ids)
    categories = [c.id for c in first.truth.categories] == [
        c.id for c in second.truth.categories
    ]
    if not (images and categories and first.protocol == second.protocol):
        what = "protocol" if images and categories else "images or categories"
        raise InputError(
            f"The two runs differ in their {what}: compare runs on the same dataset by "
            "the same protocol."
        )


def _range(value: Interval) -> str:
    return f"({100 * value.low:+.1f} to {100 * value.high:+.1f})"
