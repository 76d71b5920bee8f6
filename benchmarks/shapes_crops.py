"""Crops of drawings: what the teacher `shapes` is fitted and measured on."""

import numpy as np
from PIL import Image

from vild.data.drawn import COLOURS, PATTERNS, SHAPES, Drawing, draw, drawings, paste
from vild.data.drawn_background import background
from vild.teachers.shapes_features import SIDE

AXES = (tuple(COLOURS), tuple(PATTERNS), tuple(SHAPES))
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX)
# Of a drawing of which less is seen, nothing is told; of which more, everything.
UNSEEN, SEEN = 0.25, 0.6


def labels(drawing: Drawing) -> list[int]:
    """Indices of its colour, pattern and shape."""
    words = drawing.colour, drawing.pattern, drawing.shape
    return [axis.index(word) for axis, word in zip(AXES, words, strict=True)]


def clean(
    drawing: Drawing, rng: np.random.Generator, side: int, context: float
) -> np.ndarray:
    """A drawing of `side` pixels in the middle of `context` times its box."""
    patch, _ = draw(drawing, side, rng)
    size = np.rint(context * np.array(patch.shape[:2])).astype(int)
    canvas = background(*size.tolist(), rng)
    over(canvas, patch, (size - patch.shape[:2]) // 2)
    return squashed(canvas, Image.Resampling.BICUBIC)


def proposal(
    drawing: Drawing | None, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A crop as detectors propose them: off centre, with neighbours, at any scale.

    Returns the crop and which share of the drawing lies within; None draws nothing
    but, sometimes, the neighbours.
    """
    side = round(np.exp(rng.uniform(np.log(14), np.log(130))))
    patch, _ = draw(drawing or Drawing("red", "plain", "square"), side, rng)
    extent = np.array(patch.shape[:2])
    box = np.full(2, side) if rng.random() < 0.3 else extent
    # ViLD looks at 1 and 1.5 times a proposal; proposals may be parts, or far
    # too large.
    contexts = 1.0, 1.5, rng.uniform(1, 2.6), rng.uniform(0.35, 1)
    context = rng.choice(contexts, p=(0.38, 0.28, 0.26, 0.08))
    crop = np.maximum(np.rint(box * context * rng.uniform(0.85, 1.2, 2)), 6).astype(int)
    canvas = background(*crop.tolist(), rng, rng.uniform(0, 2))
    if rng.random() < 0.08:
        canvas[:] = rng.integers(80, 256)  # paper
    for _ in range(rng.poisson(0.5)):
        neighbour(canvas, side * rng.uniform(0.4, 1.5), 1.0, rng)
    seen = 0.0
    if drawing is not None:
        spread = 0.6 if rng.random() < 0.12 else 0.13
        shift = rng.uniform(-spread, spread, 2) * np.maximum(crop, extent)
        seen = over(canvas, patch, np.rint((crop - extent) / 2 + shift).astype(int))
        if rng.random() < 0.12:
            neighbour(canvas, side * rng.uniform(0.3, 0.6), 0.7 / context, rng)
    light = canvas * rng.uniform(0.9, 1.1) + rng.uniform(-10, 10)
    canvas = np.clip(light, 0, 255).astype(np.uint8)
    return squashed(canvas, FILTERS[rng.integers(len(FILTERS))]), seen


def seen_proposal(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """A proposal that shows enough of a drawing to tell it."""
    while True:
        crop, seen = proposal(drawing, rng)
        if seen >= SEEN:
            return crop


def dataset(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crops without the compositions held out, for fitting.

    Returns (count, 64, 64, 3) uint8 crops, (count, 3) indices of words, and (count,)
    how much of them is to be told, from 0 to 1.
    """
    rng = np.random.default_rng(seed)
    known = [drawing for drawing in drawings() if not drawing.held_out]
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    targets, told = np.zeros((count, 3), np.int64), np.zeros(count, np.float32)
    for i in range(count):
        drawing = None if rng.random() < 0.15 else known[rng.integers(len(known))]
        images[i], seen = proposal(drawing, rng)
        if drawing is not None:
            targets[i] = labels(drawing)
            told[i] = np.clip((seen - UNSEEN) / (SEEN - UNSEEN), 0, 1)
    return images, targets, told


def squashed(canvas: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """A picture as a square of the teacher's size."""
    return np.asarray(Image.fromarray(canvas).resize((SIDE, SIDE), how))


def over(canvas: np.ndarray, patch: np.ndarray, corner: np.ndarray) -> float:
    """Lays a patch on a canvas; returns which share of it lies within."""
    start = np.maximum(corner, 0)
    stop = np.minimum(corner + patch.shape[:2], canvas.shape[:2])
    if (stop <= start).any():
        return 0.0
    there = tuple(map(slice, start, stop))
    part = patch[tuple(map(slice, start - corner, stop - corner))].astype(np.float32)
    opacity = part[..., 3:] / 255
    canvas[there] = np.rint(canvas[there] * (1 - opacity) + part[..., :3] * opacity)
    return float(part[..., 3].sum() / patch[..., 3].sum(dtype=float))


def neighbour(
    canvas: np.ndarray, side: float, reach: float, rng: np.random.Generator
) -> None:
    """Pastes any drawing a little beyond an ellipse of `reach` times the canvas."""
    angle = rng.uniform(0, 2 * np.pi)
    size = np.array(canvas.shape[1::-1])
    away = np.array([np.cos(angle), np.sin(angle)]) * (reach * size / 2 + 0.3 * side)
    x, y = np.rint(size / 2 + away).astype(int).tolist()
    any_drawing = Drawing(*(axis[rng.integers(len(axis))] for axis in AXES))
    paste(canvas, any_drawing, (x, y), max(8, round(side)), rng)
