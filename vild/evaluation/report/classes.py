"""Classes in a report: the best, the worst, those that changed, all of them."""

from collections.abc import Sequence
from html import escape
from typing import Any

from vild.evaluation.comparing import Comparison
from vild.evaluation.curves import NONE
from vild.evaluation.evaluation import Evaluation

_SHOWN = 12


def best_and_worst(evaluation: Evaluation) -> str:
    """The classes that went best and worst, by the first metric of boxes or masks.

    Args:
        evaluation: what to report.

    Returns:
        HTML; nothing where there are no classes.
    """
    if evaluation.protocol.rules == "proposals":
        return ""
    kind = "segm" if "segm" in evaluation.scored else "bbox"
    metric = next(iter(evaluation.scored[kind].reached))
    key = f"{kind}_{metric}"
    told = [row for row in evaluation.categories() if row[key] > NONE]
    told.sort(key=lambda row: (-row[key], -row["objects"]))
    half = min(_SHOWN, (len(told) + 1) // 2)
    worst = told[half:][-_SHOWN:][::-1]
    parts = "".join(
        f"<div><p>{title}</p>{_rows(rows, key)}</div>"
        for title, rows in (("Best", told[:half]), ("Worst", worst))
        if rows
    )
    what = {"bbox": "boxes", "segm": "masks"}[kind]
    return f'<h2>Classes, {metric} of {what}</h2><div class="two {kind}">{parts}</div>'


def whole_table(evaluation: Evaluation) -> str:
    """All classes that something was to be found of.

    Args:
        evaluation: what to report.

    Returns:
        HTML, folded.
    """
    rows = [row for row in evaluation.categories() if row["objects"]]
    if not rows or evaluation.protocol.rules == "proposals":
        return ""
    names = [name for name in rows[0] if name not in ("id", "group", "frequency")]
    extra = [name for name in ("group", "frequency") if rows[0][name] is not None]
    heads = "".join(f"<th>{escape(n.replace('_', ' '))}</th>" for n in [*names, *extra])
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(n, row[n])}</td>' for n in [*names, *extra])}</tr>"
        for row in rows
    )
    return (
        f"<details><summary>All {len(rows)} classes</summary><div class='wide'><table>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def gains(comparison: Comparison) -> str:
    """What a run gains over another.

    Args:
        comparison: the two.

    Returns:
        HTML.
    """
    what = {"bbox": "boxes", "segm": "masks"}[comparison.kind]
    rows = "".join(
        f'<tr><td>{name}</td><td class="{_colour(d.value)}">'
        f"{100 * d.value:+.1f}</td><td>{100 * d.low:+.1f} to {100 * d.high:+.1f}</td>"
        "</tr>"
        for name, d in comparison.differences.items()
    )
    changed = [row for row in comparison.categories if row["difference"]]
    classes = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{row['objects']}</td>"
        f"<td>{100 * row['first']:.1f}</td><td>{100 * row['second']:.1f}</td>"
        f'<td class="{_colour(row["difference"])}">'
        f"{100 * row['difference']:+.1f}</td></tr>"
        for row in [*changed[:_SHOWN], *changed[_SHOWN:][-_SHOWN:]]
    )
    return (
        f"<h2>Against the other run, {what}</h2><div class='two'><div class='wide'>"
        "<table><thead><tr><th>metric</th><th>difference</th><th>95% over images</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div><div class='wide'><table>"
        "<thead><tr><th>class</th><th>objects</th><th>before</th><th>now</th>"
        f"<th>{escape(comparison.metric)}</th></tr></thead><tbody>{classes}</tbody>"
        "</table></div></div>"
    )


def _rows(rows: Sequence[dict[str, Any]], key: str) -> str:
    body = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{row['objects']}</td>"
        f"<td>{100 * row[key]:.1f}</td><td><span class='meter'>"
        f"<i style='width:{100 * row[key]:.1f}%'></i></span></td></tr>"
        for row in rows
    )
    heads = "<th>class</th><th>objects</th><th></th><th></th>"
    return (
        f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{body}"
        "</tbody></table></div>"
    )


def _colour(difference: float) -> str:
    return "good" if difference > 0 else "bad" if difference < 0 else ""


def _cell(name: str, value: Any) -> str:
    if isinstance(value, float):
        return "-" if value <= NONE else f"{100 * value:.1f}"
    return escape(str("" if value is None else value))
