"""Charts as SVG that lies in the page."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from vild.evaluation.bootstrap import Interval

_HEIGHT, _BOTTOM, _TOP, _LEFT = 220, 28, 14, 36


def bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[Interval | float | None]],
    label: str,
) -> str:
    """Bars side by side, with whiskers where there are intervals.

    Args:
        groups: a name for each group of bars.
        series: `bbox` or `segm` -> a fraction for each group, or its interval; None
            leaves a gap.
        label: what the chart shows, for those who hear the page.

    Returns:
        An `<svg>`.

    Example:
        >>> bars(["rare", "common"], {"bbox": [0.1, 0.2]}, "AP")[:4]
        '<svg'
    """
    each = 30
    room = each * len(series) + 26
    width = _LEFT + room * len(groups) + 6
    told = [value for values in series.values() for value in values]
    top = _nice_top([_ends(value)[2] for value in told if value is not None])
    parts = _frame(width, top, label)
    for g, group in enumerate(groups):
        left = _LEFT + room * g + 13
        middle = left + each * len(series) / 2
        parts.append(
            f'<text x="{middle:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">'
            f"{escape(group)}</text>"
        )
        for s, (kind, values) in enumerate(series.items()):
            value = values[g]
            if value is None:
                continue
            low, point, high = _ends(value)
            x, y = left + each * s, _y(point, top)
            said = f"{group}, {kind}: {100 * point:.1f}"
            if isinstance(value, Interval):
                said += f" ({100 * low:.1f} to {100 * high:.1f})"
            parts.append(
                f'<rect x="{x + 2}" y="{y:.1f}" width="{each - 4}" height='
                f'"{_y(0, top) - y:.1f}" rx="2" fill="var(--{kind})"><title>'
                f"{escape(said)}</title></rect>"
            )
            above = min(y, _y(high, top)) - 4
            parts.append(
                f'<text x="{x + each / 2}" y="{above:.1f}" text-anchor="middle">'
                f"{100 * point:.1f}</text>"
            )
            if high > low:
                parts.append(
                    f'<line class="whisker" x1="{x + each / 2}" x2="{x + each / 2}" '
                    f'y1="{_y(low, top):.1f}" y2="{_y(high, top):.1f}"/>'
                )
    return "".join([*parts, "</svg>"])


def lines(
    curves: Mapping[str, np.ndarray], colour: str, label: str, x: np.ndarray
) -> str:
    """Curves of precision over recall.

    Args:
        curves: name -> (R,) precision, the first drawn the strongest.
        colour: `bbox` or `segm`.
        label: what the chart shows, for those who hear the page.
        x: (R,) recall.

    Returns:
        An `<svg>`.
    """
    width = 380
    parts = _frame(width, 1.0, label, right=92)
    inner = width - _LEFT - 92
    for step in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<text class="soft" x="{_LEFT + inner * step:.1f}" y="{_HEIGHT - 8}" '
            f'text-anchor="middle">{100 * step:.0f}</text>'
        )
    dashes = ("", "6 3", "2 3", "8 3 2 3")
    ends: list[float] = []
    for number, (name, values) in enumerate(curves.items()):
        points = " ".join(
            f"{_LEFT + inner * r:.1f},{_y(float(p), 1.0):.1f}"
            for r, p in zip(x, values, strict=True)
        )
        dash = dashes[number % len(dashes)]
        parts.append(
            f'<polyline class="curve" points="{points}" stroke="var(--{colour})" '
            f'stroke-dasharray="{dash}"><title>{escape(name)}</title></polyline>'
        )
        spot = _TOP + 12 + 18 * number
        ends.append(spot)
        start = width - 88
        parts.append(
            f'<line x1="{start}" x2="{start + 20}" y1="{spot - 4}" y2="{spot - 4}" '
            f'stroke="var(--{colour})" stroke-width="2" stroke-dasharray="{dash}"/>'
            f'<text x="{start + 26}" y="{spot}">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _frame(width: float, top: float, label: str, right: float = 0) -> list[str]:
    parts = [
        f'<svg viewBox="0 0 {width:.0f} {_HEIGHT}" width="{width:.0f}" role="img" '
        f'aria-label="{escape(label)}">'
    ]
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(
            f'<line class="axis" x1="{_LEFT}" x2="{width - right:.0f}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text class="soft" x="{_LEFT - 6}" y="{y + 4:.1f}" '
            f'text-anchor="end">{100 * value:g}</text>'
        )
    return parts


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / top


def _ends(value: Interval | float) -> tuple[float, float, float]:
    if isinstance(value, Interval):
        return value.low, value.value, value.high
    return value, value, value


def _nice_top(values: Sequence[float]) -> float:
    highest = max([0.02, *values]) * 1.12
    steps = (0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
    return next((step for step in steps if step >= highest), 1.2)
