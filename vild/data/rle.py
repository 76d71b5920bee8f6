"""Masks packed as COCO run lengths (RLE)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.errors import InputError

_GROUPS = 7  # groups of 5 bits: enough for run lengths of pictures below 2**34 pixels


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


def encode_rle(
    mask: np.ndarray,
    size: tuple[int, int] | None = None,
    corner: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    """Pack a mask as compressed COCO run lengths, equal to those of pycocotools.

    Args:
        mask: (H, W) bool.
        size: (H, W) of the photo, where the mask is a window of it; None: it is whole.
        corner: row and column of the photo at which the window begins.

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
    height, width = mask.shape if size is None else size
    edges = _run_edges(mask.astype(bool, copy=False), height, corner)
    counts = np.diff(np.concatenate([[0], edges, [height * width]]))
    if counts[-1] == 0 and len(counts) > 1:
        counts = counts[:-1]
    return {"size": [height, width], "counts": _pack(counts)}


def rle_area(rle: Mapping[str, Any]) -> int:
    """Count the pixels of a mask without unpacking it.

    Args:
        rle: as for `decode_rle`, compressed.

    Returns:
        How many pixels are in the mask.

    Raises:
        InputError: The counts are damaged.

    Example:
        >>> rle_area({"size": [2, 2], "counts": "22"})
        2
    """
    try:
        return int(_unpack(rle["counts"])[1::2].sum())
    except ValueError as error:
        raise InputError(
            f"this is not a COCO run-length mask ({error}); write it again with "
            "encode_rle"
        ) from error


def covered(packed: Sequence[str | bytes]) -> np.ndarray:
    """Count the pixels that run lengths cover, of many masks at once.

    Args:
        packed: N compressed counts.

    Returns:
        (N,) int64; H * W where they are sound, -1 where they are no counts at all.

    Example:
        >>> covered(["22", "2", "~"]).tolist()
        [4, 2, -1]
    """
    texts = [
        c if isinstance(c, bytes) else c.encode("utf-8", "replace") for c in packed
    ]
    letters = np.frombuffer(b"".join(texts), np.uint8) - np.uint8(48)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    goes_on = (letters & 32) > 0
    broken = letters > 63
    tails = ends[np.diff(ends, prepend=0) > 0] - 1
    broken[tails] |= goes_on[tails]
    goes_on[tails] = False
    at = np.flatnonzero(~goes_on)
    values = (letters[at] & 15).astype(np.int64) - (letters[at] & 16)
    number, place = np.arange(len(at)), at
    while len(number):  # what is left has more letters, the lowest bits first
        more = (place > 0) & goes_on[place - 1]
        number, place = number[more], place[more] - 1
        broken[place] |= at[number] - place >= _GROUPS
        values[number] = (values[number] << 5) + (letters[place] & 31)
    edges = np.searchsorted(at, np.concatenate([[0], ends]))
    runs = np.diff(edges)
    # A run is told as what it has more than the run before the last, from the third
    # on, so each number is in every second run that follows; the first is alone.
    left = np.repeat(edges[1:], runs) - 1 - np.arange(len(at))
    times = left // 2 + 1
    times[edges[:-1][runs > 0]] = 1
    sums = np.concatenate([[0], np.cumsum(values * times)])
    total: np.ndarray = sums[edges[1:]] - sums[edges[:-1]]
    total[np.searchsorted(ends, np.flatnonzero(broken), "right")] = -1
    return total


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


def _run_edges(mask: np.ndarray, height: int, corner: tuple[int, int]) -> np.ndarray:
    """Return the positions, column by column, where the photo changes from 0 on."""
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
    edges = (corner[1] + left + column) * height + corner[0] + top + row
    # At the full height of the photo a run may go on in the next column.
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
