"""Crops of a photo around boxes, as squares that a teacher looks at."""

import math
from typing import Any

import numpy as np
from PIL import Image

SCALES = (1.0, 1.5)
"""How large a crop is, times its box. Source: paper section 3.2."""

RULE = {
    "scales": list(SCALES),
    "combine": "sum, then unit length",
    "pixels": "outwards to whole pixels, inside the photo",
    "resample": "Pillow bicubic, antialiased",
}
"""What a header says of crops, beside how the teacher wants them square."""


def boxes_inside(
    boxes: np.ndarray, size: tuple[int, int], smallest: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts boxes at the border of their photo.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in pixels.
        size: (height, width) of the photo in pixels.
        smallest: side in pixels that both sides of what is left must reach.

    Returns:
        (M, 4) float32 boxes with an area in the photo, and (N,) bool, which they are.

    Example:
        >>> boxes_inside(np.array([[-5, 2, 9, 30], [70, 0, 80, 9]]), (20, 60))
        (array([[ 0.,  2.,  9., 20.]], dtype=float32), array([ True, False]))
    """
    height, width = size
    table = np.asarray(boxes, np.float32).reshape(-1, 4)
    finite = np.asarray(np.isfinite(table).all(axis=1))
    limits = np.array([width, height, width, height], np.float32)
    cut = np.where(finite[:, None], table, 0).clip(0, limits)
    sides = cut[:, 2:] - cut[:, :2]
    kept = finite & (sides > 0).all(axis=1) & (sides >= smallest).all(axis=1)
    return cut[kept], kept


def crop_bounds(
    boxes: np.ndarray, size: tuple[int, int], scale: float = 1.0
) -> np.ndarray:
    """Which pixels a crop is made of.

    Args:
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels, with an area in the photo.
        size: (height, width) of the photo in pixels.
        scale: of the crop, about the middle of its box.

    Returns:
        (N, 4) int64: first column and row, and those after the last; inside the
        photo, at least a pixel each way.

    Example:
        >>> crop_bounds(np.array([[10, 10, 30, 19.5]]), (20, 60), 1.5).tolist()
        [[5, 7, 35, 20]]
    """
    height, width = size
    # In double precision, so that an edge on a whole pixel stays there.
    table = np.asarray(boxes, np.float64).reshape(-1, 4)
    middle = (table[:, :2] + table[:, 2:]) / 2
    half = (table[:, 2:] - table[:, :2]) / 2 * scale
    limits = np.array([width, height])
    first = np.floor(middle - half).clip(0, limits - 1)
    last = np.ceil(middle + half).clip(first + 1, limits)
    return np.concatenate([first, last], axis=1).astype(np.int64)


def crop_square(
    photo: Image.Image, bounds: np.ndarray, side: int, resize: str
) -> np.ndarray:
    """One crop as a square.

    Args:
        photo: RGB.
        bounds: (4,) of `crop_bounds`.
        side: of the square in pixels.
        resize: `"squash"` or `"crop"`, as for `vild.data.squares.to_square`, from
            which pixels differ by rounding: what would be cut away is not resampled
            here, which for long crops is most of the work.

    Returns:
        (side, side, 3) uint8 RGB.

    Example:
        >>> photo = Image.new("RGB", (60, 20))
        >>> crop_square(photo, np.array([0, 0, 30, 10]), 8, "squash").shape
        (8, 8, 3)
    """
    crop = photo.crop(tuple(bounds.tolist()))
    width, height = crop.size
    middle = _middle(width, height, side) if resize == "crop" else None
    square = crop.resize((side, side), Image.Resampling.BICUBIC, box=middle)
    return np.asarray(square)


def _middle(width: int, height: int, side: int) -> tuple[float, ...]:
    """Where the square lies that `to_square` cuts out after it has resampled."""
    short = min(width, height)
    scaled = int(side * width / short), int(side * height / short)
    first = [round((length - side) / 2) for length in scaled]
    across, down = width / scaled[0], height / scaled[1]
    left, top = first[0] * across, first[1] * down
    right, bottom = (first[0] + side) * across, (first[1] + side) * down
    return left, top, min(right, width), min(bottom, height)


def crop_rule(teacher: Any) -> dict[str, Any]:
    """What determines the crops that a teacher is shown.

    Args:
        teacher: with `image_size` and, perhaps, `resize`.

    Returns:
        JSON values, for a header.
    """
    resize = getattr(teacher, "resize", "squash")
    return {**RULE, "resize": resize, "side": int(teacher.image_size)}


def sum_of_scales(rows: np.ndarray) -> np.ndarray:
    """One vector of the vectors of a box's crops.

    Args:
        rows: (scales, N, D) float32 unit rows.

    Returns:
        (N, D) float32: their sums, scaled to unit length.

    Example:
        >>> sum_of_scales(np.array([[[1.0, 0]], [[0, 1]]], "float32")).round(2)
        array([[0.71, 0.71]], dtype=float32)

    Source: paper section 3.2.
    """
    total = rows.sum(axis=0, dtype=np.float32)
    lengths = np.linalg.norm(total, axis=-1, keepdims=True)
    # Opposite vectors have no sum: the crop of the box itself decides.
    usable = lengths > math.sqrt(np.finfo(np.float32).eps)
    return np.where(usable, total / np.where(usable, lengths, 1), rows[0])
