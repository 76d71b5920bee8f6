"""What stickers lie on: gradients, patterns, mosaics, rooms, and clutter on them."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_BLURRED = 0.3  # share of backdrops that are out of focus


def backdrop(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a picture without any sticker.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        rng: where the variation comes from.

    Returns:
        (height, width, 3) uint8 RGB.

    Example:
        >>> backdrop(48, 64, np.random.default_rng(0)).shape
        (48, 64, 3)
    """
    kind = _KINDS[rng.integers(len(_KINDS))]
    canvas = kind(height, width, rng)
    if rng.random() < 0.6:
        canvas += rng.uniform(4, 25) * _clouds(height, width, rng)[..., None]
    image = Image.fromarray(_to_uint8(canvas))
    if rng.random() < 0.75:
        _clutter(image, rng.poisson(height * width / 2000), rng)
    if rng.random() < _BLURRED:
        radius = rng.uniform(0.7, 3) * min(height, width) / 224
        image = image.filter(ImageFilter.BoxBlur(radius))
    return np.array(image)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Any colour, greyish ones more often: (3,) float32 RGB in [0, 255]."""
    saturation = rng.uniform(0, 1) ** (2 if rng.random() < 0.7 else 0.6)
    value = rng.uniform(0.12, 1)
    rgb = colorsys.hsv_to_rgb(rng.random(), saturation, value)
    return 255 * np.array(rgb, np.float32)


def _mix(
    first: np.ndarray, second: np.ndarray, share: np.ndarray | np.float32
) -> np.ndarray:
    """Two colours, (3,) each, by the share (H, W) of the second."""
    return first + np.asarray(share, np.float32)[..., None] * (second - first)


def _axes(
    height: int, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in pixels along and across a random direction: (H, W) each."""
    angle = rng.uniform(0, 2 * np.pi)
    y = np.arange(height, dtype=np.float32)[:, None] - height / 2
    x = np.arange(width, dtype=np.float32) - width / 2
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _clouds(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of a random grain: (H, W) float32 around 0, of order 1."""
    grain = np.exp(rng.uniform(np.log(3), np.log(90)))
    rows, columns = int(height / grain) + 2, int(width / grain) + 2
    coarse = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))


def _gradient(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    along, _ = _axes(height, width, rng)
    share = 0.5 + along / np.hypot(height, width)
    return _mix(_colour(rng), _colour(rng), share)


def _glow(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    along, across = _axes(height, width, rng)
    reach = np.hypot(height, width) * rng.uniform(0.3, 0.8)
    shift = rng.uniform(-0.3, 0.3) * width
    far = np.hypot(along - np.float32(shift), across) / np.float32(reach)
    return _mix(_colour(rng), _colour(rng), np.minimum(far, 1))


def _pattern(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Stripes, checks, dots or waves of two colours."""
    along, across = _axes(height, width, rng)
    period = np.float32(np.exp(rng.uniform(np.log(6), np.log(60))))
    if rng.random() < 0.4:  # curved
        bend = period * np.float32(rng.uniform(0.3, 2))
        along = along + bend * np.sin(across / (period * np.float32(2.2)))
    one = np.abs(along / period % 1 - np.float32(0.5))
    other = np.abs(across / period % 1 - np.float32(0.5))
    kind = rng.integers(4)
    if kind == 0:
        depth: np.ndarray = one - np.float32(rng.uniform(0.1, 0.4))
    elif kind == 1:
        depth = (one - 0.25) * np.sign(other - 0.25)
    elif kind == 2:
        depth = np.hypot(one, other) - np.float32(rng.uniform(0.15, 0.4))
    else:  # tiles and the joints between them
        depth = np.maximum(one, other) - np.float32(rng.uniform(0.4, 0.48))
    first = _colour(rng)
    second = _mix(first, _colour(rng), np.float32(rng.uniform(0.15, 1)))
    return _mix(first, second, np.clip(0.5 + depth * period, 0, 1))


def _mosaic(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Each point has the colour of the nearest of some seeds."""
    count = int(rng.integers(4, 24))
    seeds = rng.uniform(0, 1, (count, 2)).astype(np.float32) * [height, width]
    colours = np.stack([_colour(rng) for _ in range(count)])
    # Half of the pixels each way: edges are soft when it is enlarged.
    y = np.arange(0, height, 2, dtype=np.float32)[:, None, None]
    x = np.arange(0, width, 2, dtype=np.float32)[:, None]
    far = (y - seeds[:, 0]) ** 2 + (x - seeds[:, 1]) ** 2
    small = Image.fromarray(_to_uint8(colours[far.argmin(axis=2)]))
    large = small.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(large).astype(np.float32)


def _room(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A wall and a floor, or a sky and the ground, with a horizon between."""
    canvas = _KINDS[rng.integers(3)](height, width, rng)
    floor = _KINDS[rng.integers(3)](height, width, rng)
    horizon = int(height * rng.uniform(0.35, 0.8))
    tilt = rng.uniform(-0.12, 0.12)
    lines = horizon + tilt * (np.arange(width) - width / 2)
    below = np.arange(height)[:, None] > lines
    canvas[below] = floor[below]
    return canvas


def _grain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Long streaks, as of wood or cloth."""
    rows = rng.standard_normal((int(height / rng.uniform(1, 5)) + 2, 4), np.float32)
    streaks = Image.fromarray(rows).resize((width, height), Image.Resampling.BICUBIC)
    share = 0.5 + rng.uniform(0.1, 0.3) * np.asarray(streaks)
    if rng.random() < 0.5 and height == width:
        share = share.T
    return _mix(_colour(rng), _colour(rng), np.clip(share, 0, 1))


_KINDS = (_gradient, _glow, _pattern, _grain, _mosaic, _room)


def _clutter(image: Image.Image, count: int, rng: np.random.Generator) -> None:
    """Strokes, pebbles, discs and bars: things without a name."""
    width, height = image.size
    unit = min(width, height) / 224
    pen = ImageDraw.Draw(image)
    for _ in range(count):
        tone = tuple(_to_uint8(_colour(rng)).tolist())
        middle = rng.uniform(0, 1, 2) * [width, height]
        reach = unit * float(np.exp(rng.uniform(np.log(2), np.log(26))))
        kind = rng.integers(4)
        if kind == 0:
            steps = rng.normal(0, reach, (int(rng.integers(2, 6)), 2))
            points = middle + np.cumsum(steps, axis=0)
            thick = int(rng.integers(1, 5))
            pen.line([tuple(p) for p in points.tolist()], fill=tone, width=thick)
        elif kind == 1:
            x, y = rng.uniform(0.3, 1, 2) * reach
            box = (middle[0] - x, middle[1] - y, middle[0] + x, middle[1] + y)
            pen.ellipse(box, fill=tone)
        else:
            corners = 4 if kind == 2 else int(rng.integers(5, 11))
            angle = 2 * np.pi * (np.arange(corners) + rng.random(corners)) / corners
            radius = reach * rng.uniform(0.5, 1, (corners, 1))
            points = middle + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            pen.polygon([tuple(p) for p in points.tolist()], fill=tone)


def _to_uint8(colours: np.ndarray) -> np.ndarray:
    return np.clip(colours, 0, 255).astype(np.uint8)
