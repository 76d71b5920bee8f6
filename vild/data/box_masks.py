"""Masks of objects in a fixed size, each inside its box."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vild.data.object_masks import ObjectMasks

MASK_SIZE = 112


def crop_masks(
    masks: ObjectMasks | Sequence[np.ndarray] | np.ndarray,
    rows: np.ndarray,
    boxes: np.ndarray,
    size: tuple[int, int],
    flip: bool = False,
) -> np.ndarray:
    """Crops the masks of some objects to their boxes.

    Args:
        masks: of all objects: not drawn, or (H, W) each, bool or from 0 to 1.
        rows: (N,) int, which of them.
        boxes: (N, 4) float32 y1 x1 y2 x2 in pixels of the image, turned if `flip`.
        size: (H, W) of the image in pixels.
        flip: whether the image is turned left for right, but the masks are not yet.

    Returns:
        (N, 112, 112) float16, see `crop_mask`.

    Raises:
        DataError: if a mask cannot be drawn.

    Example:
        >>> whole = np.ones((1, 20, 30), bool)
        >>> box = np.array([[2, 2, 8, 8]], np.float32)
        >>> crop_masks(whole, np.array([0]), box, (20, 30)).shape
        (1, 112, 112)
    """
    crops = np.zeros((len(rows), MASK_SIZE, MASK_SIZE), np.float16)
    for crop, row, box in zip(crops, rows.tolist(), boxes, strict=True):
        grid = _Grid.of(size, box, MASK_SIZE)
        window = grid.window(size[1] if flip else None)
        if window is None:
            continue
        drawn = (
            masks.draw(row, window)
            if isinstance(masks, ObjectMasks)
            else np.asarray(masks[row])[window]
        )
        crop[:] = grid.read(drawn[:, ::-1] if flip else drawn)
    return crops


def crop_mask(mask: np.ndarray, box: np.ndarray, size: int = MASK_SIZE) -> np.ndarray:
    """A mask inside a box, in a fixed size.

    Args:
        mask: (H, W), bool or from 0 to 1.
        box: (4,) y1 x1 y2 x2 in pixels of the mask.
        size: height and width of the result.

    Returns:
        (size, size) float32, bilinear, not thresholded. The samples go from one edge
        of the box to the other, on a grid that is shrunk by a pixel in H (released
        behaviour); outside the mask they are 0.

    Example:
        >>> crop_mask(np.eye(4), np.array([0.0, 0, 4, 4]), 2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    grid = _Grid.of(mask.shape, box, size)
    window = grid.window()
    if window is None:
        return np.zeros((size, size), np.float32)
    return grid.read(mask[window])


@dataclass(frozen=True)
class _Axis:
    """Where the samples along an axis lie between two pixels."""

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, extent: int, start: float, stop: float, size: int) -> "_Axis":
        first, last = start / extent * (extent - 1), stop / extent * (extent - 1)
        step = (last - first) / max(size - 1, 1)
        position = first + np.arange(size, dtype="float32") * step
        inside = (position >= 0) & (position <= extent - 1)
        low = np.clip(np.floor(position), 0, extent - 1).astype(np.intp)
        high = np.minimum(low + 1, extent - 1)
        return cls(low, high, (position - low).astype("float32"), inside)

    def slice(self) -> slice | None:
        """The pixels that are read; None if all samples are outside."""
        if not self.inside.any():
            return None
        return slice(int(self.low[0]), int(self.high[-1]) + 1)


@dataclass(frozen=True)
class _Grid:
    """Samples of a picture, row by row and column by column."""

    rows: _Axis
    columns: _Axis

    @classmethod
    def of(cls, shape: tuple[int, ...], box: np.ndarray, size: int) -> "_Grid":
        rows, columns = (
            _Axis.of(extent, start, stop, size)
            for extent, start, stop in zip(shape, box[:2], box[2:], strict=True)
        )
        return cls(rows, columns)

    def window(self, flip_width: int | None = None) -> tuple[slice, slice] | None:
        """What must be known of the picture, mirrored if it is; None for nothing."""
        rows, columns = self.rows.slice(), self.columns.slice()
        if rows is None or columns is None:
            return None
        if flip_width is not None:
            columns = slice(flip_width - columns.stop, flip_width - columns.start)
        return rows, columns

    def read(self, part: np.ndarray) -> np.ndarray:
        """The samples, from the window of the picture."""
        rows, columns = self.rows, self.columns
        part = part.astype(np.float32)
        first = part.take(columns.low - columns.low[0], axis=1)
        lines = part.take(columns.high - columns.low[0], axis=1)
        lines -= first
        lines *= columns.weight
        lines += first
        above = lines.take(rows.low - rows.low[0], axis=0)
        crop = lines.take(rows.high - rows.low[0], axis=0)
        crop -= above
        crop *= rows.weight[:, None]
        crop += above
        if not (rows.inside.all() and columns.inside.all()):
            crop[~(rows.inside[:, None] & columns.inside)] = 0
        return crop
