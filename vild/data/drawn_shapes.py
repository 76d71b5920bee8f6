"""Outlines of the drawn shapes: corners of polygons, curves cut into short sides.

Coordinates are (x, y) with y down, as in pictures; only proportions matter, since
a drawing is scaled to its place.
"""

from collections.abc import Callable

import numpy as np

# Sides that a full turn of a curve is cut into: at 200 pixels a side is 7 long,
# and a chord leaves its arc by less than a tenth of a pixel.
TURN = 96

Rings = list[np.ndarray]


def outline(shape: str) -> Rings:
    """The outline of a shape, upright.

    Args:
        shape: a key of `OUTLINES`.

    Returns:
        One or more rings, each (K, 2) float64 corners (x, y), not closed. A point
        inside an odd number of rings is inside the shape.

    Example:
        >>> outline("square")[0].tolist()
        [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
        >>> len(outline("ring"))
        2
    """
    return OUTLINES[shape][0]()


def turn_limit(shape: str) -> float:
    """How far a shape may be turned either way and remain what it is.

    Args:
        shape: a key of `OUTLINES`.

    Returns:
        Degrees, up to 180.

    Example:
        >>> turn_limit("square") < 45  # a square on its corner is a diamond
        True
    """
    return OUTLINES[shape][1]


def _arc(start: float, stop: float, radius: float = 1.0) -> np.ndarray:
    """Points of an arc around (0, 0); angles in degrees, clockwise from the right."""
    steps = max(2, round(abs(stop - start) / 360 * TURN))
    angle = np.deg2rad(np.linspace(start, stop, steps, endpoint=False))
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _corners(*points: tuple[float, float]) -> Callable[[], Rings]:
    return lambda: [np.array(points, float)]


def _circle() -> Rings:
    return [_arc(0, 360)]


def _ring() -> Rings:
    return [_arc(0, 360), _arc(0, 360, 0.52)]


def _regular(count: int) -> Callable[[], Rings]:
    def build() -> Rings:
        angle = 2 * np.pi * np.arange(count) / count - np.pi / 2
        return [np.stack([np.cos(angle), np.sin(angle)], axis=1)]

    return build


def _star() -> Rings:
    angle = np.pi * np.arange(10) / 5 - np.pi / 2
    radius = np.where(np.arange(10) % 2, 0.46, 1.0)
    return [np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)]


def _flower() -> Rings:
    """Five petals: a circle whose radius swings."""
    angle = np.linspace(0, 2 * np.pi, 2 * TURN, endpoint=False)
    radius = 0.45 + 0.55 * np.abs(np.cos(2.5 * angle)) ** 0.8
    return [np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)]


def _heart() -> Rings:
    t = np.linspace(0, 2 * np.pi, TURN, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return [np.stack([x, y], axis=1)]


def _crescent() -> Rings:
    """A disc less a disc a little to its right; the arcs meet at the horns."""
    shift, radius = 0.5, 0.8
    x = (1 - radius**2 + shift**2) / (2 * shift)
    outer = np.rad2deg(np.arccos(x))
    inner = np.rad2deg(np.arccos((x - shift) / radius))
    back = _arc(360 - inner, inner, radius) + np.array([shift, 0.0])
    return [np.concatenate([_arc(outer, 360 - outer), back])]


def _drop() -> Rings:
    """A disc with a tip above: tangents from (0, -2.1) to the unit circle."""
    touch = np.rad2deg(np.arcsin(1 / 2.1))
    return [np.concatenate([_arc(-touch, 180 + touch), [[0.0, -2.1]]])]


def _cross() -> Rings:
    arm, turn = 0.34, np.array([[0.0, 1.0], [-1.0, 0.0]])
    parts = [np.array([[arm, -1.0], [arm, -arm], [1.0, -arm]])]
    for _ in range(3):
        parts.append(parts[-1] @ turn)
    return [np.concatenate(parts)]


OUTLINES: dict[str, tuple[Callable[[], Rings], float]] = {
    "circle": (_circle, 180.0),
    "square": (_corners((-1, -1), (1, -1), (1, 1), (-1, 1)), 14.0),
    "triangle": (_corners((0, -1), (1, 0.8), (-1, 0.8)), 180.0),
    "star": (_star, 180.0),
    "cross": (_cross, 180.0),
    "ring": (_ring, 180.0),
    "heart": (_heart, 35.0),
    "crescent": (_crescent, 180.0),
    "hexagon": (_regular(6), 180.0),
    "arrow": (
        _corners(
            (-1, -0.26),
            (0.1, -0.26),
            (0.1, -0.75),
            (1, 0),
            (0.1, 0.75),
            (0.1, 0.26),
            (-1, 0.26),
        ),
        180.0,
    ),
    "diamond": (_corners((0, -1), (0.68, 0), (0, 1), (-0.68, 0)), 14.0),
    "flower": (_flower, 180.0),
    "bolt": (
        _corners(
            (0.15, -1),
            (-0.75, 0.2),
            (-0.12, 0.2),
            (-0.4, 1),
            (0.75, -0.3),
            (0.12, -0.3),
            (0.6, -1),
        ),
        40.0,
    ),
    "drop": (_drop, 60.0),
}
"""Shape -> its outline upright, and the degrees that it may be turned either way."""
