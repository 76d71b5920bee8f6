"""Paint for drawn objects: edges, colours, patterns and light, pixel by pixel.

Where a random number generator is None, what would vary is average instead.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

Rings = list[np.ndarray]

# Edges are drawn this many times larger and averaged.
_FINER = 4

# Hue in degrees, saturation and value in [0, 1].
_HSV = {
    "red": (2.0, 0.86, 0.82),
    "orange": (28.0, 0.92, 0.95),
    "yellow": (54.0, 0.88, 0.95),
    "green": (128.0, 0.70, 0.58),
    "cyan": (182.0, 0.78, 0.80),
    "blue": (222.0, 0.80, 0.80),
    "purple": (275.0, 0.65, 0.62),
    "pink": (330.0, 0.45, 0.95),
    "brown": (24.0, 0.66, 0.42),
    "black": (0.0, 0.00, 0.08),
}
# Above this luminance the second tone is near black, below it near white.
_LIGHT = 0.5


def between(rng: np.random.Generator | None, low: float, high: float) -> float:
    """A number from an interval, or its middle.

    Args:
        rng: where it comes from; None for the middle.
        low: end of the interval.
        high: end of the interval.

    Returns:
        The number.

    Example:
        >>> between(None, 0, 3)
        1.5
    """
    return (low + high) / 2 if rng is None else float(rng.uniform(low, high))


def coverage(rings: Rings, height: int, width: int) -> np.ndarray:
    """How much of each pixel lies inside of an outline.

    Args:
        rings: (K, 2) corners (x, y) in pixels each, every ring within the last.
        height: of the patch in pixels.
        width: of the patch in pixels.

    Returns:
        (height, width) float32 in [0, 1].

    Example:
        >>> coverage([np.array([[0, 0], [2, 0], [2, 4], [0, 4]])], 4, 4)[0].tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    image = Image.new("L", (width * _FINER, height * _FINER))
    pen = ImageDraw.Draw(image)
    for index, ring in enumerate(rings):
        pen.polygon(_points(ring), fill=0 if index % 2 else 255)
    return _averaged(image)


def tones(
    colour: str, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """A colour and the second tone of patterns in that colour.

    Args:
        colour: a key of `vild.data.drawn.COLOURS`.
        rng: where the variation comes from, or None.

    Returns:
        Two (3,) float32 RGB in [0, 1]; the second is near white, or near black
        where that contrasts more.

    Example:
        >>> [(100 * tone).astype(int).tolist() for tone in tones("yellow", None)]
        [[95, 86, 12], [8, 8, 8]]
    """
    hue, saturation, value = _HSV[colour]
    hue += between(rng, -6, 6)
    saturation *= between(rng, 0.9, 1.08)
    value += between(rng, -0.06, 0.06)
    first = np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value))
    light = first @ [0.2126, 0.7152, 0.0722] > _LIGHT
    grey = between(rng, 0.04, 0.12) if light else between(rng, 0.9, 1.0)
    return first.astype(np.float32), np.full(3, grey, np.float32)


def second_share(
    pattern: str, rings: Rings, opacity: np.ndarray, rng: np.random.Generator | None
) -> np.ndarray:
    """How much of each pixel a pattern gives to the second tone.

    Args:
        pattern: a key of `vild.data.drawn.PATTERNS`.
        rings: the outline in pixels, as for `coverage`; borders follow it.
        opacity: (H, W) float32, what `coverage` says of it; the less of the patch
            is covered, the finer is the pattern.
        rng: where the variation comes from, or None.

    Returns:
        (H, W) float32 in [0, 1].

    Example:
        >>> second_share("plain", [], np.ones((2, 3)), None).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    height, width = opacity.shape
    if pattern == "plain":
        return np.zeros((height, width), np.float32)
    reach = float(np.sqrt(opacity.sum()))
    if pattern == "bordered":
        return _border(rings, height, width, between(rng, 0.09, 0.12) * reach)
    side = float(np.sqrt(reach * max(height, width)))
    # Squares need more room than stripes and dots to be told from them.
    periods = between(rng, 1.9, 2.7) if pattern == "checked" else between(rng, 3.0, 4.2)
    turn = np.deg2rad(between(rng, 0, 180))
    x = (np.arange(width) - width / 2) * (periods / side)
    y = (np.arange(height)[:, None] - height / 2) * (periods / side)
    along = np.cos(turn) * x + np.sin(turn) * y + between(rng, 0, 1)
    across = np.cos(turn) * y - np.sin(turn) * x + between(rng, 0, 1)
    # How far within the second tone a point lies, in periods.
    if pattern == "striped":
        depth = 0.23 - np.abs(along % 1 - 0.5)
    elif pattern == "dotted":
        depth = 0.3 - np.hypot(along % 1 - 0.5, across % 1 - 0.5)
    else:
        one, other = (0.25 - np.abs(part % 1 - 0.5) for part in (along, across))
        depth = np.minimum(np.abs(one), np.abs(other)) * np.sign(one * other)
    return np.clip(0.5 + depth * (side / periods), 0, 1).astype(np.float32)


def shading(height: int, width: int, rng: np.random.Generator | None) -> np.ndarray:
    """Light that falls from one side.

    Args:
        height: of the patch in pixels.
        width: of the patch in pixels.
        rng: where the variation comes from, or None for even light.

    Returns:
        (height, width) float32 factors, from 0.8 to 1.2.

    Example:
        >>> shading(1, 2, None).tolist()
        [[1.0, 1.0]]
    """
    down, right = between(rng, -0.1, 0.1), between(rng, -0.1, 0.1)
    y, x = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
    return (1 + down * y[:, None] + right * x).astype(np.float32)


def _border(rings: Rings, height: int, width: int, thickness: float) -> np.ndarray:
    image = Image.new("L", (width * _FINER, height * _FINER))
    pen = ImageDraw.Draw(image)
    # Half of the line lies outside of the shape, where nothing is to be seen.
    radius = thickness * _FINER
    for ring in rings:
        points = _points(ring)
        pen.line([*points, points[0]], fill=255, width=max(1, round(2 * radius)))
        # Pillow's own joints leave cracks between the short sides of curves.
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return _averaged(image)


def _points(ring: np.ndarray) -> list[tuple[float, float]]:
    # Pillow's pixel i has its centre at i, ours at i + 0.5.
    return [(x, y) for x, y in (ring * _FINER - 0.5).tolist()]


def _averaged(image: Image.Image) -> np.ndarray:
    return np.asarray(image.reduce(_FINER), np.float32) / 255
