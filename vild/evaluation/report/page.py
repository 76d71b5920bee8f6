"""The page itself."""

from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np

import vild
from vild.data.dataset import Dataset
from vild.evaluation.bootstrap import Interval
from vild.evaluation.comparing import Comparison
from vild.evaluation.curves import NONE
from vild.evaluation.evaluation import Evaluation
from vild.evaluation.protocols import RECALLS
from vild.evaluation.report.charts import bars, lines
from vild.evaluation.report.classes import best_and_worst, gains, whole_table
from vild.evaluation.report.photos import Shown, best_threshold, choose, show
from vild.evaluation.scored import Scored
from vild.files import replacing, writing

Intervals = Mapping[str, Mapping[str, Interval]]

_GROUPS = {
    "": "all",
    "r": "rare",
    "c": "common",
    "f": "frequent",
    "s": "small",
    "m": "medium",
    "l": "large",
    "_base": "base",
    "_novel": "novel",
}
_KINDS = {"bbox": "boxes", "segm": "masks"}


def write_report(
    evaluation: Evaluation,
    path: str | Path,
    *,
    dataset: Dataset | None = None,
    model: str | None = None,
    intervals: Intervals | None = None,
    comparisons: Mapping[str, Comparison] | None = None,
    photos: int = 6,
) -> Path:
    """Writes a report: one HTML file, pictures and charts in it.

    Args:
        evaluation: what to report.
        path: where to; replaced whole or not at all.
        dataset: has the photos; None for a report without.
        model: what it is called.
        intervals: `bbox` or `segm` -> of `vild.evaluation.intervals`.
        comparisons: of `vild.evaluation.compare`, with this run as the second.
        photos: how many are shown.

    Returns:
        The path.

    Raises:
        DataError: if a photo cannot be read.
        InputError: if the file cannot be written.

    Example:
        >>> write_report(evaluation, "report.html", dataset=dataset)
    """
    threshold = best_threshold(evaluation.scored["bbox"].matches)
    shown: list[Shown] = []
    if dataset is not None and photos > 0:
        chosen = choose(evaluation, threshold, photos)
        shown = show(evaluation, dataset, chosen, threshold)
    style = resources.files("vild.evaluation.report").joinpath("style.css")
    title = f"{model or 'Evaluation'} on {evaluation.truth.name}"
    sections = [
        _head(evaluation, title),
        _cards(evaluation, intervals or {}),
        _groups(evaluation, intervals or {}),
        _precision(evaluation),
        _table(evaluation, intervals or {}),
        *(gains(comparison) for comparison in (comparisons or {}).values()),
        best_and_worst(evaluation),
        _photos(shown, threshold),
        whole_table(evaluation),
    ]
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style.read_text('utf-8')}</style>"
        f"</head><body>{''.join(sections)}</body></html>\n"
    )
    path = Path(path)
    with writing(path), replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _head(evaluation: Evaluation, title: str) -> str:
    truth, protocol = evaluation.truth, evaluation.protocol
    left_out = [protocol.open_vocabulary and c.excluded for c in truth.categories]
    judged = ~np.array(left_out, bool)
    return (
        f'<h1>{escape(title)}</h1><p class="soft">Protocol {escape(protocol.name)}: '
        f"{escape(protocol.about)}. {len(truth.image_ids)} images, "
        f"{judged[truth.category].sum()} objects, {judged.sum()} categories, "
        f"{len(evaluation.predictions)} detections. Numbers are in "
        f"per cent; vild {vild.__version__}.</p>"
    )


def _cards(evaluation: Evaluation, intervals: Intervals) -> str:
    cards = []
    for kind, scored in evaluation.scored.items():
        for name, value in list(scored.metrics.items())[:3]:
            between = intervals.get(kind, {}).get(name)
            said = ""
            if between is not None:
                said = f"<i>{100 * between.low:.1f} to {100 * between.high:.1f}</i>"
            cards.append(
                f'<div class="card"><span>{name}, {_KINDS[kind]}</span>'
                f"<b>{_percent(value)}</b>{said}</div>"
            )
    return f'<div class="cards">{"".join(cards)}</div>'


def _groups(evaluation: Evaluation, intervals: Intervals) -> str:
    """Bars by frequency, by base and novel, by size; or of recall."""
    stem = next(iter(next(iter(evaluation.scored.values())).metrics))
    if evaluation.protocol.rules == "proposals":
        stem = f"AR@{evaluation.protocol.per_class[-1]}"
    charts = []
    for suffixes, what in (
        (("r", "c", "f"), "by frequency"),
        (("_base", "_novel"), "base and novel"),
        (("s", "m", "l"), "by size of objects"),
    ):
        names = [f"{stem}{suffix}" for suffix in suffixes]
        if stem.startswith("AR@") and suffixes[0] == "s":
            names = [f"AR{suffix}@{stem[3:]}" for suffix in suffixes]
        series: dict[str, list[Interval | float | None]] = {}
        for kind, scored in evaluation.scored.items():
            told = [scored.metrics.get(name, NONE) for name in names]
            if max(told) > NONE:
                series[kind] = [
                    intervals.get(kind, {}).get(name, value) if value > NONE else None
                    for name, value in zip(names, told, strict=True)
                ]
        if series:
            said = [_GROUPS[suffix] for suffix in suffixes]
            chart = bars(said, series, f"{stem} {what}")
            charts.append(f"<div><p>{stem} {what}</p>{chart}</div>")
    if not charts:
        return ""
    return (
        f"<h2>Where it does well</h2>{_keys(evaluation)}"
        f'<div class="two">{"".join(charts)}</div>'
    )


def _keys(evaluation: Evaluation) -> str:
    keys = "".join(
        f'<span class="key" style="background:var(--{kind})"></span>{_KINDS[kind]}'
        for kind in evaluation.scored
    )
    return f'<p class="soft">{keys}</p>'


def _precision(evaluation: Evaluation) -> str:
    if evaluation.protocol.rules == "proposals":
        return ""
    charts = []
    for kind, scored in evaluation.scored.items():
        chart = lines(_curves(scored), kind, f"precision over recall, {kind}", RECALLS)
        charts.append(f"<div><p>{_KINDS[kind]}, mean over classes</p>{chart}</div>")
    return (
        "<h2>Precision (up) over recall (across)</h2>"
        f'<div class="two">{"".join(charts)}</div>'
    )


def _curves(scored: Scored) -> dict[str, np.ndarray]:
    """Mean precision over classes, at some overlaps."""
    precision = scored.curves.precision[..., 0]
    told = precision[:, :, precision[0, 0] > NONE]
    if not told.shape[2]:
        return {}
    means = told.mean(axis=2)
    if len(means) == 2:
        return {"IoU 0.5": means[0], "IoU 0.75": means[1]}
    return {
        "IoU 0.5": means[0],
        "0.5:0.95": means.mean(axis=0),
        "IoU 0.75": means[5],
    }


def _table(evaluation: Evaluation, intervals: Intervals) -> str:
    kinds = list(evaluation.scored)
    names = dict.fromkeys(n for s in evaluation.scored.values() for n in s.metrics)
    heads = "".join(f"<th>{_KINDS[kind]}</th>" for kind in kinds)
    rows = []
    for name in names:
        cells = []
        for kind in kinds:
            between = intervals.get(kind, {}).get(name)
            value = _percent(evaluation.scored[kind].metrics.get(name, NONE))
            if between is not None:
                value = escape(str(between))
            cells.append(f"<td>{value}</td>")
        rows.append(f"<tr><td>{name}</td>{''.join(cells)}</tr>")
    said = ""
    if intervals:
        said = (
            '<p class="soft">In brackets: where 95% of the metrics lie if images are '
            "drawn again, with replacement.</p>"
        )
    return (
        f'<h2>All metrics</h2>{said}<div class="wide"><table><thead><tr><th>metric</th>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _photos(shown: list[Shown], threshold: float) -> str:
    if not shown:
        return ""
    figures = "".join(
        f'<figure><figcaption>{escape(photo.title)}</figcaption><div class="pair">'
        f'<div><img alt="ground truth" src="data:image/jpeg;base64,{photo.truth}">'
        "<small>ground truth</small></div><div>"
        f'<img alt="answers" src="data:image/jpeg;base64,{photo.answers}">'
        "<small>answers</small></div></div></figure>"
        for photo in shown
    )
    return (
        "<h2>Photos, from the best to the worst</h2>"
        f'<p class="soft">Answers with a score of {threshold:.3f} or more are drawn, '
        "where precision and recall of all answers balance best; with masks where "
        "there is an object of their class. Boxes count as found from an overlap of "
        "0.5 on.</p>"
        f"{figures}"
    )


def _percent(value: float) -> str:
    return "-" if value <= NONE else f"{100 * value:.1f}"
