"""Metrics as text, and as files."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vild.evaluation.curves import NONE
from vild.files import replacing, writing

if TYPE_CHECKING:
    from vild.evaluation.scored import Scored


def table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Metrics as people read them, in per cent.

    Args:
        metrics: `bbox` or `segm` -> name -> fraction.

    Returns:
        A line for each name, a column for boxes and for masks.

    Example:
        >>> print(table({"bbox": {"AP": 0.25, "APs": -1.0}}))
        metric       bbox
        AP           25.0
        APs             -
    """
    kinds = list(metrics)
    names = list(dict.fromkeys(name for kind in kinds for name in metrics[kind]))
    wide = max(map(len, ["metric   ", *names]))
    lines = ["metric".ljust(wide) + "".join(f"{kind:>8}" for kind in kinds)]
    for name in names:
        cells = "".join(f"{_percent(metrics[kind].get(name)):>8}" for kind in kinds)
        lines.append(name.ljust(wide) + cells)
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None or value < 0 else f"{100 * value:.1f}"


def category_rows(scored: Mapping[str, "Scored"]) -> list[dict[str, Any]]:
    """See `vild.evaluation.evaluation.Evaluation.categories`.

    Args:
        scored: `bbox` or `segm` -> what was reached.

    Returns:
        A dict for each category that took part.
    """
    first = next(iter(scored.values()))
    truth = first.truth
    split = any(category.novel for category in truth.categories)
    rows = []
    for k, category in enumerate(truth.categories):
        row = {
            "id": category.id,
            "name": category.name,
            "frequency": category.frequency,
            "group": ("novel" if category.novel else "base") if split else None,
            "objects": int(first.curves.objects[k]),
        }
        if category.excluded and split and not row["objects"]:
            continue
        for kind, part in scored.items():
            row |= {f"{kind}_{n}": float(v[k]) for n, v in part.reached.items()}
        rows.append(row)
    return rows


def write_json(path: Path, content: Any) -> None:
    """Writes a json, whole or not at all.

    Args:
        path: where to.
        content: what.

    Raises:
        InputError: if it cannot be written.
    """
    with writing(path), replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows as a table for spreadsheets, whole or not at all.

    Args:
        path: where to.
        rows: with the same keys; None and -1, for nothing, become empty.

    Raises:
        InputError: if it cannot be written.
    """
    with (
        writing(path),
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if v in (None, NONE) else v for k, v in row.items()})
