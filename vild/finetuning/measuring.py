"""What was kept: a detector's AP before and after, by what it knew of a class."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.categories import Category
from vild.data.dataset import Dataset
from vild.data.stores.header import about_dataset
from vild.detector import Detector
from vild.evaluation import box_evaluation, protocol_for
from vild.evaluation.detecting import spoken
from vild.evaluation.tables import write_json
from vild.vocabulary import Vocabulary
from vild.vocabulary_checks import base_flags

METRICS = ("AP50", "AP")
GROUPS = {
    "new": "learned now",
    "old": "base classes of the detector at the start",
    "open": "never labelled for it",
}
"""What the classes of a dataset are to a detector that is fine-tuned."""

Measured = dict[str, Any]


def measure(detector: Detector, dataset: Dataset, images: int | None) -> Measured:
    """What a detector reaches on a dataset, class by class.

    Args:
        detector: any.
        dataset: whose categories are asked for.
        images: the first ones only; None for all.

    Returns:
        `dataset`, what it is; `protocol`; `classes`, name -> AP50 and AP of its boxes
        as fractions, for those with objects.

    Raises:
        VildError: if it cannot be measured.
    """
    protocol = protocol_for(dataset)
    rows = box_evaluation(detector, dataset, protocol, limit=images).categories()
    return {
        **about_measure(dataset, images),
        "protocol": protocol,
        "classes": {
            row["name"]: {name: row[f"bbox_{name}"] for name in METRICS}
            for row in rows
            if row["objects"] and row["bbox_AP"] >= 0
        },
    }


def about_measure(dataset: Dataset, images: int | None) -> dict[str, Any]:
    """What is measured on.

    Args:
        dataset: any.
        images: the first ones only; None for all.

    Returns:
        JSON values that are compared when a fine-tuning goes on.
    """
    count = len(dataset) if images is None else min(images, len(dataset))
    return {"dataset": {**about_dataset(dataset), "looked_at": count}}


def group_of(
    categories: Sequence[Category], start: Vocabulary, finished: Vocabulary
) -> dict[str, str]:
    """What each category is to a fine-tuning.

    Args:
        categories: of a dataset.
        start: what the detector knew, with base flags.
        finished: what it knows in the end, with base flags.

    Returns:
        Name -> one of `GROUPS`.
    """
    groups = [spoken(category) for category in categories]
    words = Vocabulary(groups, np.ones((len(groups), 1)))
    before, after = base_flags(words, start), base_flags(words, finished)
    return {
        category.name: "old" if was else "new" if now else "open"
        for category, was, now in zip(categories, before, after, strict=True)
    }


def rows_of(
    before: Measured, after: Measured, group: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Means over the classes of each group.

    Args:
        before: what `measure` found at the start.
        after: what it found in the end, on the same images.
        group: of `group_of`.

    Returns:
        A row for each group that has classes: `dataset`, `classes` (the group),
        `number` of classes, and e.g. `AP50 before` and `AP50 after` as fractions.
    """
    rows = []
    for name in GROUPS:
        classes = [c for c in before["classes"] if group.get(c) == name]
        if not classes:
            continue
        row = {
            "dataset": before["dataset"]["name"],
            "classes": name,
            "number": len(classes),
        }
        for metric in METRICS:
            for when, told in (("before", before), ("after", after)):
                values = [told["classes"][c][metric] for c in classes]
                row[f"{metric} {when}"] = round(float(np.mean(values)), 4)
        rows.append(row)
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as people read them, in per cent.

    Args:
        rows: of `rows_of`.

    Returns:
        A line for each.

    Example:
        >>> row = {"dataset": "val", "classes": "new", "number": 3}
        >>> print(table([row | {"AP50 before": 0.5, "AP50 after": 0.75}]))
        dataset  classes  number  AP50 before  AP50 after
        val      new           3         50.0        75.0
    """
    if not rows:
        return ""
    names = list(rows[0])
    cells = [names] + [[_cell(name, row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def _cell(name: str, value: Any) -> str:
    is_share = name.startswith("AP")
    return f"{100 * value:.1f}" if is_share else str(value)


def read_measured(path: Path, of: Mapping[str, Any]) -> list[Measured]:
    """What was measured by a run that was cut off.

    Args:
        path: what `write_measured` wrote.
        of: which detector it must be of.

    Returns:
        Nothing, if there is no such file or it is of another one.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return list(told["measured"]) if told["of"] == of else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_measured(
    path: Path, of: Mapping[str, Any], measured: Sequence[Measured]
) -> None:
    """Keeps what was measured.

    Args:
        path: where.
        of: which detector it is of.
        measured: everything.

    Raises:
        InputError: if it cannot be written.
    """
    write_json(path, {"of": dict(of), "measured": list(measured)})
