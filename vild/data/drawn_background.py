"""What drawn objects lie on: muted colours, textures, strokes and pebbles."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw


def background(
    height: int, width: int, rng: np.random.Generator, clutter: float = 1.0
) -> np.ndarray:
    """Draws a picture without any of the drawn objects.

    Its colours are greyish and of middling brightness, so that every drawing
    stands out: the vivid ones by colour, black by being darker.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        rng: where the variation comes from.
        clutter: how many strokes and pebbles, on average, where 1 means about one
            for each 50 x 50 pixels; 0 for none.

    Returns:
        (height, width, 3) uint8 RGB.

    Example:
        >>> background(48, 64, np.random.default_rng(0)).shape
        (48, 64, 3)
    """
    first, second = _muted(rng), _muted(rng)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-0.5, 0.5, height)[:, None], np.linspace(-0.5, 0.5, width)
    ramp = 0.5 + 0.7 * (np.cos(angle) * x + np.sin(angle) * y)
    canvas = first + (second - first) * ramp[..., None].astype(np.float32)
    light = rng.uniform(0, 0.09) * _clouds(height, width, rng)
    if rng.random() < 0.4:
        light += rng.uniform(0.01, 0.05) * _weave(height, width, rng)
    canvas = _to_uint8(canvas + light[..., None])
    if clutter > 0:
        canvas = _cluttered(canvas, rng.poisson(clutter * height * width / 2500), rng)
    grain = rng.normal(0, rng.uniform(0, 5), (height, width, 1)).astype(np.float32)
    return np.clip(np.rint(canvas + grain), 0, 255).astype(np.uint8)


def _muted(rng: np.random.Generator) -> np.ndarray:
    """A greyish colour of middling brightness: (3,) RGB in [0, 1]."""
    hue, saturation, value = rng.random(), rng.uniform(0, 0.3), rng.uniform(0.42, 0.74)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)


def _clouds(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of a random grain: (H, W) around 0, of order 1."""
    grain = np.exp(rng.uniform(np.log(6), np.log(80)))
    rows, columns = int(height / grain) + 2, int(width / grain) + 2
    coarse = Image.fromarray(rng.normal(size=(rows, columns)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _weave(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Faint parallel waves over all of the picture: (H, W) in [-1, 1]."""
    angle, wave = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(5), np.log(40)))
    y, x = np.arange(height)[:, None], np.arange(width)
    phase = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / wave
    return np.sin(phase).astype(np.float32)


def _cluttered(canvas: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    height, width = canvas.shape[:2]
    image = Image.fromarray(canvas)
    pen = ImageDraw.Draw(image)
    for _ in range(count):
        tone = tuple(_to_uint8(_muted(rng)).tolist())
        middle = rng.uniform(0, 1, 2) * [width, height]
        if rng.random() < 0.5:
            steps = rng.normal(0, rng.uniform(4, 30), (int(rng.integers(2, 6)), 2))
            points = middle + np.cumsum(steps, axis=0)
            pen.line(
                [tuple(p) for p in points], fill=tone, width=int(rng.integers(1, 5))
            )
        else:
            # A pebble: a ring of corners at uneven distances is no known shape.
            corners = int(rng.integers(6, 12))
            angle = 2 * np.pi * (np.arange(corners) + rng.random(corners)) / corners
            radius = rng.uniform(3, 24) * rng.uniform(0.55, 1, (corners, 1))
            points = middle + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            pen.polygon([tuple(p) for p in points], fill=tone)
    return np.asarray(image)


def _to_uint8(colours: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(colours, 0, 1)).astype(np.uint8)
