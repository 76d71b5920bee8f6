"""A window of a resized picture: bilinear on the legacy grid, as released."""

from dataclasses import dataclass

import numpy as np

# Rows made at a time: what they need stays in the processor's cache, and other
# threads run meanwhile, since each step on them leaves Python's lock alone.
_BLOCK = 32


def resize_window(
    image: np.ndarray,
    scaled: tuple[int, int],
    offset: tuple[int, int],
    out: np.ndarray,
    flip: bool = False,
    gain: np.ndarray | None = None,
    shift: np.ndarray | None = None,
) -> None:
    """Resizes a picture, as far as a window of it goes.

    Destination index i reads source position i * in / out, so the first pixels
    coincide: no half-pixel centre, no antialiasing. Only what the window shows is
    read and computed.

    Args:
        image: (H, W, C) uint8 or float32.
        scaled: (height, width) of the whole picture after resizing, in pixels.
        offset: (y, x) of the window in scaled pixels.
        out: (h, w, C) float32, the window, which is filled; each of its rows must
            lie in one piece.
        flip: whether the picture is turned left for right first.
        gain: (C,) float32 that the result is multiplied by; None for 1.
        shift: (C,) float32 that is subtracted after that; None for 0.

    Example:
        >>> out = np.zeros((1, 3, 1), np.float32)
        >>> image = np.array([[[0.0], [2.0]]], np.float32)
        >>> resize_window(image, (1, 4), (0, 1), out)
        >>> out.ravel().tolist()
        [1.0, 2.0, 2.0]

    Source: released behaviour, TensorFlow's first `resize_bilinear`.
    """
    height, width, channels = out.shape
    if 0 in out.shape:
        return
    rows = _Samples.along(image.shape[0], scaled[0], offset[0], height)
    columns = _Samples.along(image.shape[1], scaled[1], offset[1], width)
    if flip:
        columns = columns.mirrored(image.shape[1])
    start, stop = columns.extent()
    # As one long line: NumPy is slow where the last axis is that of three colours.
    left, right = (
        ((index - start)[:, None] * channels + np.arange(channels)).ravel()
        for index in (columns.first, columns.second)
    )
    across = np.repeat(columns.weight, channels)
    times = None if gain is None else np.tile(gain, width)
    minus = None if shift is None else np.tile(shift, width)
    for y in range(0, height, _BLOCK):
        part = rows[y : y + _BLOCK]
        needed, top, bottom = part.needed()
        source = image[needed, start:stop].reshape(-1, (stop - start) * channels)
        source = source.astype(np.float32, copy=False)
        lines = source.take(right, axis=1)
        begin = source.take(left, axis=1)
        _mix(begin, lines, across)
        block = out[y : y + _BLOCK].reshape(-1, width * channels)
        np.take(lines, bottom, axis=0, out=block, mode="clip")
        _mix(lines.take(top, axis=0), block, part.weight[:, None])
        if times is not None:
            block *= times
        if minus is not None:
            block -= minus


def _mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> None:
    """Turns the second into the mean of both: exactly the first where that is 0."""
    second -= first
    second *= weight
    second += first


@dataclass(frozen=True)
class _Samples:
    """Both source indices, and the weight of the second, for a run of indices."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray

    @classmethod
    def along(cls, size: int, scaled: int, offset: int, count: int) -> "_Samples":
        step = np.float32(size) / np.float32(scaled)
        position = np.arange(offset, offset + count).astype(np.float32) * step
        first = np.minimum(np.floor(position).astype(np.intp), size - 1)
        weight = position - first.astype(np.float32)
        return cls(first, np.minimum(first + 1, size - 1), weight)

    def __getitem__(self, part: slice) -> "_Samples":
        return _Samples(self.first[part], self.second[part], self.weight[part])

    def mirrored(self, size: int) -> "_Samples":
        return _Samples(size - 1 - self.first, size - 1 - self.second, self.weight)

    def extent(self) -> tuple[int, int]:
        every = np.concatenate([self.first, self.second])
        return int(every.min()), int(every.max()) + 1

    def needed(self) -> tuple[slice | np.ndarray, np.ndarray, np.ndarray]:
        """Source rows, and where both of each pair are among them."""
        start, stop = self.extent()
        if stop - start <= 2 * len(self.first):
            return slice(start, stop), self.first - start, self.second - start
        rows, where = np.unique(
            np.concatenate([self.first, self.second]), return_inverse=True
        )
        return rows, where[: len(self.first)], where[len(self.first) :]
