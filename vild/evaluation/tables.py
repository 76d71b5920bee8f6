"""Metrics as text."""

from collections.abc import Mapping


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
