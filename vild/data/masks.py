"""Masks at the size of the photo, pasted from box crops."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.data.rle import encode_rle
from vild.errors import InputError


def paste_masks(
    masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Paste mask crops into the photo at their boxes (released behaviour).

    Each crop is padded by one pixel of 0, the box is enlarged to match and
    truncated to whole pixels, the crop is resized bilinearly (half-pixel centres)
    and a pixel belongs to the mask where the probability is above 0.5. Only the
    pixels inside both the box and the photo are computed.

    Args:
        masks: (N, h, w) float32 probabilities, each spanning its box.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels of the photo; may reach beyond
            it. The mask of a box that is not finite is empty.
        size: (H, W) of the photo in pixels.

    Returns:
        (N, H, W) bool.

    Raises:
        InputError: The shapes do not fit each other.

    Example:
        >>> import numpy as np
        >>> full = np.ones((1, 28, 28), np.float32)
        >>> box = np.array([[2, 1, 6, 4]], np.float32)
        >>> int(paste_masks(full, box, (6, 8)).sum())
        30
    """
    pasted = np.zeros((len(masks), *size), bool)
    for canvas, window in zip(pasted, _windows(masks, boxes, size), strict=True):
        if window is not None:
            canvas[window.rows, window.columns] = window.mask
    return pasted


def paste_runs(
    masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> list[dict[str, Any]]:
    """Paste mask crops and pack them, without drawing any at the size of the photo.

    Args:
        masks: as for `paste_masks`.
        boxes: as for `paste_masks`.
        size: as for `paste_masks`.

    Returns:
        N COCO run lengths, equal to `encode_rle` of each pasted mask.

    Raises:
        InputError: The shapes do not fit each other.

    Example:
        >>> import numpy as np
        >>> box = np.array([[2, 1, 6, 4]], np.float32)
        >>> paste_runs(np.ones((1, 28, 28), np.float32), box, (6, 8))[0]["size"]
        [6, 8]
    """
    nothing = np.zeros((1, 1), bool)
    return [
        encode_rle(nothing, size)
        if window is None
        else encode_rle(window.mask, size, (window.rows.start, window.columns.start))
        for window in _windows(masks, boxes, size)
    ]


@dataclass(frozen=True)
class LazyMasks:
    """Masks that are pasted when called; an index keeps some without pasting any.

    Args:
        masks: (N, h, w) float32 probabilities, each spanning its box.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels of the photo.
        size: (H, W) of the photo in pixels.

    Example:
        >>> import numpy as np
        >>> boxes = np.array([[0, 0, 4, 4], [2, 2, 6, 6]], np.float32)
        >>> lazy = LazyMasks(np.ones((2, 28, 28), np.float32), boxes, (8, 8))
        >>> lazy[:1]().shape
        (1, 8, 8)
    """

    masks: np.ndarray
    boxes: np.ndarray
    size: tuple[int, int]

    def __call__(self) -> np.ndarray:
        """Return the (N, H, W) bool masks, see `paste_masks`."""
        return paste_masks(self.masks, self.boxes, self.size)

    def runs(self) -> list[dict[str, Any]]:
        """Return the masks as run lengths, see `paste_runs`."""
        return paste_runs(self.masks, self.boxes, self.size)

    def __getitem__(self, index: slice | np.ndarray) -> "LazyMasks":
        return LazyMasks(self.masks[index], self.boxes[index], self.size)


def _whole_boxes(boxes: np.ndarray, crop: tuple[int, ...]) -> np.ndarray:
    """Enlarge the boxes to the padded crop and truncate them to whole pixels."""
    # The arithmetic, in float32 by way of width and height, is the released one: a
    # last-bit difference before truncation would move a mask by a whole pixel.
    grow = np.array([(side + 2) / side for side in crop[::-1]], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5)
        centre = boxes[:, :2] + half
        corners = np.concatenate([centre - half * grow, centre + half * grow], axis=1)
    usable = np.isfinite(corners).all(axis=1, keepdims=True)
    # Far enough for any photo, near enough for int64; what is not finite goes left of
    # and above the photo, where a mask is empty.
    limit = np.float32(2**40)
    return np.where(usable, corners.clip(-limit, limit), -4).astype(np.int64)


@dataclass(frozen=True)
class _Window:
    """The part of a photo that a pasted mask may cover."""

    rows: slice
    columns: slice
    mask: np.ndarray


def _windows(
    masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> Iterator[_Window | None]:
    """Paste mask crops one by one; None for those outside of the photo."""
    masks, boxes = np.asarray(masks, np.float32), np.asarray(boxes, np.float32)
    if masks.ndim != 3 or boxes.shape != (len(masks), 4):
        raise InputError(
            "masks must be (N, h, w) and boxes (N, 4), but "
            f"{masks.shape} and {boxes.shape} were given; pass one box for each mask"
        )
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    corners = _whole_boxes(boxes, masks.shape[1:]).tolist()
    for crop, (x1, y1, x2, y2) in zip(padded, corners, strict=True):
        rows = _samples(y1, y2, size[0], crop.shape[0])
        columns = _samples(x1, x2, size[1], crop.shape[1])
        if rows is None or columns is None:
            yield None
            continue
        lines = _blend(crop[:, columns.first], crop[:, columns.second], columns.weight)
        inside = _blend(lines[rows.first], lines[rows.second], rows.weight[:, None])
        yield _Window(rows.target, columns.target, inside > 0.5)


@dataclass(frozen=True)
class _Samples:
    """Where one axis of a pasted mask reads its crop and writes its photo."""

    target: slice
    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray


def _samples(low: int, high: int, size: int, crop: int) -> _Samples | None:
    length = max(high - low + 1, 1)
    start, stop = max(low, 0), min(low + length, size, high + 1)
    if start >= stop:
        return None
    # Double, then single precision, as the released resize (OpenCV) does it.
    step = 1 / (length / crop)
    position = (np.arange(start - low, stop - low) + 0.5) * step - 0.5
    position = position.astype(np.float32)
    first = np.floor(position)
    weight = position - first
    weight[(first < 0) | (first >= crop - 1)] = 0
    index = first.astype(np.intp).clip(0, crop - 1)
    return _Samples(slice(start, stop), index, np.minimum(index + 1, crop - 1), weight)


def _blend(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return first * (1 - weight) + second * weight
