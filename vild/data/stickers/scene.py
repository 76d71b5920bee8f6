"""A scene in the making: stickers are pasted, each at a place where all stay visible.

Of every pixel it is known which sticker owns it, so masks are exact.
"""

import numpy as np
from PIL import Image, ImageFilter

# Of each object at least this share is to be seen, the rest is covered by others or
# outside of the picture.
VISIBLE = 0.45
_PLACES = 12  # tried for a sticker before it is given up
_SMALLEST = 40  # pixels of a mask
_NOBODY = 255


class Scene:
    """A picture and its objects so far.

    Args:
        canvas: (H, W, 3) uint8 RGB, the backdrop; it is drawn upon.

    Example:
        >>> scene = Scene(np.zeros((64, 64, 3), np.uint8))
        >>> sticker = np.full((20, 10, 4), 255, np.uint8)
        >>> scene.paste(sticker, np.random.default_rng(0))
        True
        >>> scene.masks().sum()
        np.int64(200)
    """

    def __init__(self, canvas: np.ndarray) -> None:
        self.canvas = canvas
        self._owner = np.full(canvas.shape[:2], _NOBODY, np.uint8)
        self._whole: list[int] = []

    def __len__(self) -> int:
        return len(self._whole)

    def paste(self, sticker: np.ndarray, rng: np.random.Generator) -> bool:
        """Pastes a sticker on top of all others, if there is a place for it.

        Args:
            sticker: (h, w, 4) uint8 RGBA, as large and turned as it is to be.
            rng: where it goes.

        Returns:
            Whether it was pasted.
        """
        inside = sticker[..., 3] > 127
        whole = int(inside.sum())
        if whole < _SMALLEST or len(self) == _NOBODY:
            return False
        height, width = self.canvas.shape[:2]
        tall, wide = sticker.shape[:2]
        # A place may be a little outside of the picture.
        low = -0.35 * np.array([tall, wide])
        high = np.maximum([height, width] - 0.65 * np.array([tall, wide]), low + 1)
        for _ in range(_PLACES):
            top, left = np.rint(rng.uniform(low, high)).astype(int).tolist()
            spot, part = _window(top, tall, height), _window(left, wide, width)
            if spot is None or part is None:
                continue
            there = self._owner[spot[0], part[0]]
            seen = inside[spot[1], part[1]]
            if self._fits(there, seen, whole):
                there[seen] = len(self)
                self._whole.append(whole)
                self._paint(sticker[spot[1], part[1]], (spot[0], part[0]), rng)
                return True
        return False

    def masks(self) -> np.ndarray:
        """Which pixels each object shows.

        Returns:
            (N, H, W) bool, in order of pasting; they never overlap.
        """
        return self._owner == np.arange(len(self), dtype=np.uint8)[:, None, None]

    def _fits(self, there: np.ndarray, seen: np.ndarray, whole: int) -> bool:
        if seen.sum() < max(VISIBLE * whole, _SMALLEST):
            return False
        covered = np.bincount(there[seen], minlength=_NOBODY + 1)[: len(self)]
        for number in np.flatnonzero(covered):
            left = int((self._owner == number).sum()) - int(covered[number])
            if left < max(VISIBLE * self._whole[number], _SMALLEST):
                return False
        return True

    def _paint(
        self, sticker: np.ndarray, at: tuple[slice, slice], rng: np.random.Generator
    ) -> None:
        if rng.random() < 0.3:
            self._shadow(sticker[..., 3], at, rng)
        patch = self.canvas[at]
        alpha = sticker[..., 3:].astype(np.float32) / 255
        patch[:] = patch + alpha * (_tinted(sticker[..., :3], rng) - patch) + 0.5

    def _shadow(
        self, alpha: np.ndarray, at: tuple[slice, slice], rng: np.random.Generator
    ) -> None:
        height, width = self.canvas.shape[:2]
        down, right = rng.integers(1, 5, 2) * [1, rng.choice([-1, 1])]
        row, column = at[0].start + int(down), at[1].start + int(right)
        spot = _window(row, alpha.shape[0], height)
        part = _window(column, alpha.shape[1], width)
        if spot is None or part is None:
            return
        blur = ImageFilter.BoxBlur(float(rng.uniform(0.5, 3)))
        soft = np.asarray(Image.fromarray(np.ascontiguousarray(alpha)).filter(blur))
        dark = soft[spot[1], part[1], None] * np.float32(rng.uniform(0.2, 0.6) / 255)
        patch = self.canvas[spot[0], part[0]]
        patch[:] = patch * (1 - dark)


def turned(sticker: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """A sticker in its size, flipped, stretched and turned a little, or a lot.

    Args:
        sticker: (h, w, 4) uint8 RGBA.
        size: of the longer side before it is turned, in pixels.
        rng: where the variation comes from.

    Returns:
        (h', w', 4) uint8 RGBA.

    Example:
        >>> sticker = np.full((80, 40, 4), 255, np.uint8)
        >>> turned(sticker, 20, np.random.default_rng(0)).shape[2]
        4
    """
    image = Image.fromarray(sticker)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = size / max(image.size)
    stretch = np.exp(rng.uniform(-0.15, 0.15) * np.array([0.5, -0.5]))
    sides = np.maximum(np.rint(scale * stretch * image.size), 2).astype(int)
    wide, tall = (int(side) for side in sides)
    image = image.resize((wide, tall), Image.Resampling.BILINEAR, reducing_gap=2)
    chance = rng.random()
    limit = 12.0 if chance < 0.6 else 45.0 if chance < 0.9 else 180.0
    angle = float(rng.uniform(-limit, limit))
    return np.asarray(image.rotate(angle, Image.Resampling.BILINEAR, expand=True))


def finished(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The light on a scene, and what a camera makes of it.

    Args:
        canvas: (H, W, 3) uint8 RGB.
        rng: where the variation comes from.

    Returns:
        (H, W, 3) uint8 RGB.

    Example:
        >>> finished(np.zeros((8, 9, 3), np.uint8), np.random.default_rng(0)).shape
        (8, 9, 3)
    """
    height, width = canvas.shape[:2]
    if rng.random() < 0.25:
        blur = ImageFilter.BoxBlur(float(rng.uniform(0.2, 0.9)) * height / 224)
        canvas = np.asarray(Image.fromarray(canvas).filter(blur))
    down, right = rng.uniform(-0.25, 0.25, 2)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    light = np.float32(rng.uniform(0.8, 1.15)) + np.float32(down) * y
    light = light + np.float32(right) * x
    warmth = rng.uniform(0.94, 1.06, 3).astype(np.float32)
    shown = canvas * light[..., None] * warmth
    if rng.random() < 0.7:
        # One number for all colours of a pixel, in steps that bytes can hold.
        noise = rng.integers(-128, 128, (height, width, 1), np.int8)
        shown += noise * np.float32(rng.uniform(0, 16) / 128)
    return np.clip(shown, 0, 255, out=shown).astype(np.uint8)


def _tinted(colours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours (h, w, 3) uint8 a little brighter, paler or shifted: float32."""
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.92, 1.08, 3)
    shown = colours * gain.astype(np.float32)
    grey = shown.mean(axis=2, keepdims=True)
    shown = grey + np.float32(rng.uniform(0.7, 1.15)) * (shown - grey)
    return np.clip(shown, 0, 255, out=shown)


def _window(start: int, length: int, limit: int) -> tuple[slice, slice] | None:
    """Where a stretch lies in [0, limit), and which part of it that is."""
    first, last = max(start, 0), min(start + length, limit)
    if first >= last:
        return None
    return slice(first, last), slice(first - start, last - start)
