"""Masks at the size of the photo: pasted from box crops, packed as COCO RLE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.errors import InputError

_GROUPS = 7  # groups of 5 bits: enough for run lengths of pictures below 2**34 pixels


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
    masks, boxes = np.asarray(masks, np.float32), np.asarray(boxes, np.float32)
    if masks.ndim != 3 or boxes.shape != (len(masks), 4):
        raise InputError(
            "masks must be (N, h, w) and boxes (N, 4), but "
            f"{masks.shape} and {boxes.shape} were given; pass one box for each mask"
        )
    pasted = np.zeros((len(masks), *size), bool)
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    for canvas, crop, corners in zip(
        pasted, padded, _whole_boxes(boxes, masks.shape[1:]), strict=True
    ):
        x1, y1, x2, y2 = (int(corner) for corner in corners)
        rows = _samples(y1, y2, size[0], crop.shape[0])
        columns = _samples(x1, x2, size[1], crop.shape[1])
        if rows is None or columns is None:
            continue
        lines = _blend(crop[:, columns.first], crop[:, columns.second], columns.weight)
        inside = _blend(lines[rows.first], lines[rows.second], rows.weight[:, None])
        np.greater(inside, 0.5, out=canvas[rows.target, columns.target])
    return pasted


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

    def __getitem__(self, index: slice | np.ndarray) -> "LazyMasks":
        return LazyMasks(self.masks[index], self.boxes[index], self.size)


@dataclass(frozen=True)
class PackedMasks:
    """Masks kept as COCO RLE, unpacked when called; an index unpacks none.

    Args:
        packed: N RLE dicts, see `encode_rle`.
        size: (H, W) of the photo in pixels.

    Example:
        >>> import numpy as np
        >>> packed = [encode_rle(np.ones((4, 3), bool))]
        >>> PackedMasks(packed, (4, 3))().shape
        (1, 4, 3)
    """

    packed: Sequence[Mapping[str, Any]]
    size: tuple[int, int]

    def __call__(self) -> np.ndarray:
        """Return the (N, H, W) bool masks, see `decode_rle`."""
        masks = np.zeros((len(self.packed), *self.size), bool)
        for mask, rle in zip(masks, self.packed, strict=True):
            if tuple(rle["size"]) != tuple(self.size):
                raise InputError(
                    f"a mask of size {tuple(rle['size'])} does not fit its photo of "
                    f"size {tuple(self.size)}; save the detections again"
                )
            mask[:] = decode_rle(rle)
        return masks

    def __getitem__(self, index: slice | np.ndarray) -> "PackedMasks":
        kept = np.arange(len(self.packed))[index]
        return PackedMasks([self.packed[i] for i in kept], self.size)


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Pack a mask as compressed COCO run lengths, equal to those of pycocotools.

    Args:
        mask: (H, W) bool.

    Returns:
        `{"size": [H, W], "counts": str}`; runs go down the columns, 0 first.

    Raises:
        InputError: The mask has not two dimensions.

    Example:
        >>> import numpy as np
        >>> encode_rle(np.array([[False, True], [False, True]]))
        {'size': [2, 2], 'counts': '22'}
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise InputError(
            f"a mask must be (H, W), but shape {mask.shape} was given; pass one mask"
        )
    height, width = mask.shape
    edges = _run_edges(mask.astype(bool, copy=False))
    counts = np.diff(np.concatenate([[0], edges, [height * width]]))
    if counts[-1] == 0 and len(counts) > 1:
        counts = counts[:-1]
    return {"size": [height, width], "counts": _pack(counts)}


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """Unpack COCO run lengths.

    Args:
        rle: `{"size": [H, W], "counts": ...}`; counts compressed (str or bytes), or
            plain (a list of ints).

    Returns:
        (H, W) bool.

    Raises:
        InputError: The runs do not add up to the size, or are no run lengths.

    Example:
        >>> decode_rle({"size": [2, 2], "counts": "22"}).tolist()
        [[False, True], [False, True]]
    """
    try:
        height, width = (int(side) for side in rle["size"])
        packed = rle["counts"]
        compressed = isinstance(packed, str | bytes)
        counts = _unpack(packed) if compressed else np.asarray(packed, np.int64)
        if (counts < 0).any() or counts.sum() != height * width:
            raise ValueError(f"the runs do not cover {height} x {width} pixels")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"this is not a COCO run-length mask ({error}); expected a dict with "
            '"size": [H, W] and "counts"; write it again with encode_rle'
        ) from error
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


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


def _run_edges(mask: np.ndarray) -> np.ndarray:
    """Return the positions, column by column, where the mask changes from 0 on."""
    height = mask.shape[0]
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros(0, np.int64)
    # Looking only at the tight box around the mask is what makes this fast; one 0
    # after each column, and one before all, end the runs at the box.
    top, left = rows[0], columns[0]
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    flat = np.zeros((part.shape[1], part.shape[0] + 1), bool)
    flat[:, :-1] = part.T
    line = np.concatenate([[False], flat.ravel()])
    changes = np.flatnonzero(line[1:] != line[:-1])
    column, row = np.divmod(changes, part.shape[0] + 1)
    edges = (left + column) * height + top + row
    # In a box of full height a run may go on in the next column.
    goes_on = np.flatnonzero(edges[1:-1:2] == edges[2::2])
    return np.delete(edges, np.concatenate([2 * goes_on + 1, 2 * goes_on + 2]))


def _pack(counts: np.ndarray) -> str:
    values = counts.astype(np.int64)
    values[3:] -= counts[1:-2]
    letters = np.zeros((len(values), _GROUPS), np.uint8)
    used = np.zeros((len(values), _GROUPS), bool)
    more = np.ones(len(values), bool)
    for group in range(_GROUPS):
        used[:, group] = more
        bits = values & 31
        values >>= 5
        more = more & (values != np.where(bits & 16, -1, 0))
        letters[:, group] = bits + 32 * more + 48
    return letters[used].tobytes().decode("ascii")


def _unpack(packed: str | bytes) -> np.ndarray:
    data = packed.encode("ascii") if isinstance(packed, str) else packed
    letters = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    last = (letters & 32) == 0
    if (letters < 0).any() or (letters > 63).any() or not last[-1:].all():
        raise ValueError("its counts are damaged")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not len(ends):
        return np.zeros(0, np.int64)
    group = np.arange(len(letters)) - np.repeat(starts, ends - starts + 1)
    if group.max() >= _GROUPS:
        raise ValueError("its counts are damaged")
    values = np.add.reduceat((letters & 31) << (5 * group), starts)
    negative = (letters[ends] & 16) > 0
    values[negative] -= 1 << (5 * (group[ends[negative]] + 1))
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
