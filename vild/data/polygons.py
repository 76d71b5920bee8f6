"""Polygons to masks, pixel by pixel as the COCO mask API draws them.

A corner is rounded to a fifth of a pixel, the outline is walked on that finer grid,
and where it crosses the middle of a pixel column, a run begins or ends. What lies
between the first and second, third and fourth, ... crossing of a column is inside.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from vild.errors import DataError

Window: TypeAlias = tuple[slice, slice]
"""A part of a picture: its rows and columns, both from a start to a stop."""

_FINER = 5  # grid lines a pixel; the middle of a column is on the third of them
_FAR = 1e6  # pixels


def rasterise(
    polygons: Sequence[np.ndarray], size: tuple[int, int], window: Window | None = None
) -> np.ndarray:
    """Draws an object that is given by polygons.

    Args:
        polygons: each x1 y1 x2 y2 ... in pixels, as (2K,) or (K, 2); they may reach
            out of the image, touch themselves and overlap.
        size: (H, W) of the image in pixels.
        window: how much of it is drawn, inside of the image; None for all.

    Returns:
        (H, W) bool, or as large as the window: the union of the polygons, equal to
        that of pycocotools. Those with fewer than three corners are empty.

    Raises:
        DataError: if a polygon has an odd number of numbers, or one that is no
            place in a picture.

    Example:
        >>> square = np.array([1.0, 1, 3, 1, 3, 4, 1, 4])
        >>> rasterise([square], (5, 4)).sum(axis=0).tolist()
        [0, 3, 3, 0]

    Source: the COCO mask API, `rleFrPoly` and `rleMerge`; the arithmetic is its own,
    since a last-bit difference would move an outline.
    """
    rows, columns = window or (slice(0, size[0]), slice(0, size[1]))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    mask = np.zeros(height * width, bool)
    for polygon in polygons:
        edges = _run_edges(_corners(polygon), rows, columns)
        ends = np.append(edges, height * width)
        lengths = np.diff(ends, prepend=0)
        mask |= np.repeat(np.arange(len(ends)) % 2 == 1, lengths)
    return mask.reshape(width, height).T


def _corners(polygon: np.ndarray) -> np.ndarray:
    """(K, 2) int64: corners x, y on the finer grid."""
    flat = np.asarray(polygon, np.float64).ravel()
    if len(flat) % 2 or not (np.abs(flat) <= _FAR).all():
        raise DataError(
            f"A polygon is {flat[:8].tolist()}{'...' if len(flat) > 8 else ''}, but it "
            "must be x1 y1 x2 y2 ... in pixels: mend the annotation."
        )
    return (_FINER * flat + 0.5).astype(np.int64).reshape(-1, 2)


def _run_edges(corners: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Where the mask changes, column by column: ascending places in [0, H * W].

    H and W are those of the window. Above and below of it a change counts as one at
    its border, where two of them are none.
    """
    if len(corners) < 3:
        return np.zeros(0, np.int64)
    x, y = _outline(corners, np.roll(corners, -1, axis=0))
    # Crossings from one grid column to the next, at the middle of a pixel column.
    left = np.minimum(x[1:], x[:-1])
    top = np.minimum(y[1:], y[:-1])
    column = left // _FINER
    crossing = (x[1:] != x[:-1]) & (left % _FINER == _FINER // 2)
    crossing &= (column >= columns.start) & (column < columns.stop)
    row = np.ceil(((top[crossing] + 0.5) / _FINER - 0.5).clip(rows.start, rows.stop))
    height = rows.stop - rows.start
    places = (column[crossing] - columns.start) * height
    places += row.astype(np.int64) - rows.start
    # Two changes at one place are none.
    places, counts = np.unique(places, return_counts=True)
    return places[counts % 2 == 1]


def _outline(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walks all edges: x and y of every grid point, corners twice."""
    step = end - start
    along = np.abs(step)
    flat = along[:, 0] >= along[:, 1]  # walked along x, else along y
    length = along.max(axis=1)
    main = np.where(flat[:, None], start, start[:, ::-1])
    goal = np.where(flat[:, None], end, end[:, ::-1])
    # Edges are walked from the lesser to the greater end and then turned round, so
    # that the neighbour's edge on the same line is the same.
    turned = main[:, 0] > goal[:, 0]
    origin = np.where(turned[:, None], goal, main)
    rise = np.where(turned, -1, 1) * (goal - main)[:, 1]
    slope = rise / np.maximum(length, 1)
    counts = length + 1
    edge = np.repeat(np.arange(len(start)), counts)
    walked = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    t = np.where(turned[edge], length[edge] - walked, walked)
    first = origin[edge, 0] + t
    second = (origin[edge, 1] + slope[edge] * t + 0.5).astype(np.int64)
    return np.where(flat[edge], first, second), np.where(flat[edge], second, first)
