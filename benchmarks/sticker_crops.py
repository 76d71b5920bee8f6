"""Crops of stickers, for who trains or measures an image encoder."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from tqdm import tqdm

from vild.data.example import Example
from vild.data.squares import to_square
from vild.data.stickers import Stickers, concepts, open_art, style
from vild.teachers.sticker_network import SIDE

# Crops of an object in a scene, and of a place without one for so many objects.
_CROPS, _OBJECTS_PER_EMPTY = 3, 5
_NEAR = 0.15  # share of an empty place that objects may cover


def training_crops(
    scenes: int, seed: int, left_out: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Crops of scenes in which all concepts are drawn equally often.

    Args:
        scenes: how many.
        seed: of the crops.
        left_out: a part of the concepts that is not shown; none if empty.

    Returns:
        (N, 48, 48, 3) uint8 RGB and (N,) int32 places in `concepts()`, or their
        number for places without an object.
    """
    known = concepts()
    dataset = Stickers(f"train:{scenes}", objects=(5, 12), even=True)
    rng = np.random.default_rng(seed)
    crops, labels = [], []
    for example in tqdm(dataset, "crops", len(dataset), disable=None):
        image = example.image
        for box, number in zip(example.boxes, example.category_ids - 1, strict=True):
            if known[number].part == left_out:
                continue
            for _ in range(_CROPS):
                crops.append(cut(image, jittered(box, rng)))
                labels.append(number)
        for box in empty_places(example, rng):
            crops.append(cut(image, box))
            labels.append(len(known))
    return np.stack(crops), np.array(labels, np.int32)


def jittered(box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box as proposals are: off its object, too narrow or too wide, up to 1.6 times.

    Args:
        box: (4,) x1 y1 x2 y2 in pixels.
        rng: where the variation comes from.

    Returns:
        (4,) float64.
    """
    sides = box[2:] - box[:2]
    middle = (box[2:] + box[:2]) / 2 + rng.normal(0, 0.07, 2) * sides
    sides = sides * np.exp(rng.uniform(-0.15, 0.47)) * np.exp(rng.normal(0, 0.08, 2))
    return np.concatenate([middle - sides / 2, middle + sides / 2])


def wider(box: np.ndarray, factor: float) -> np.ndarray:
    """A box around the same middle.

    Args:
        box: (4,) x1 y1 x2 y2 in pixels.
        factor: by which its sides are longer.

    Returns:
        (4,) float64.
    """
    middle, half = (box[2:] + box[:2]) / 2, factor * (box[2:] - box[:2]) / 2
    return np.concatenate([middle - half, middle + half])


def cut(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What is inside of a box, as the teacher looks at it.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: (4,) x1 y1 x2 y2 in pixels; what is outside of the image is left out.

    Returns:
        (48, 48, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    x1, y1 = np.floor(np.maximum(box[:2], 0)).astype(int)
    x2, y2 = np.ceil(np.minimum(box[2:], [width, height])).astype(int)
    return to_square(np.ascontiguousarray(image[y1:y2, x1:x2]), SIDE)


def empty_places(example: Example, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Boxes of which objects cover next to nothing.

    Args:
        example: a scene.
        rng: where the variation comes from.

    Yields:
        (4,) float64, x1 y1 x2 y2 in pixels.
    """
    covered = example.masks.any(axis=0)
    height, width = covered.shape
    wanted = -(-len(example.boxes) // _OBJECTS_PER_EMPTY)
    for _ in range(8 * wanted):
        sides = np.exp(rng.uniform(np.log(20), np.log(100), 2))
        corner = rng.uniform(0, [width, height] - sides)
        x1, y1, x2, y2 = (*corner.astype(int), *(corner + sides).astype(int))
        if covered[y1:y2, x1:x2].mean() < _NEAR:
            yield np.concatenate([corner, corner + sides])
            wanted -= 1
        if not wanted:
            return


def picture_crops(
    hands: Sequence[str], times: int, places: np.ndarray, seed: int, left_out: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Every picture of some styles, turned, shifted and stretched a little.

    Args:
        hands: names of the styles.
        times: crops of each picture.
        places: (N, 48, 48, 3) uint8 RGB to lay them on; one in two lies on one colour.
        seed: of the variation.
        left_out: a part of the concepts that is not shown; none if empty.

    Returns:
        (N, 48, 48, 3) uint8 RGB and (N,) int32 places in `concepts()`.
    """
    rng = np.random.default_rng(seed)
    crops, labels = [], []
    for hand in hands:
        art = open_art(style(hand))
        for number, concept in enumerate(concepts()):
            if concept.part == left_out:
                continue
            for picture in concept.pictures:
                if picture.code not in art:
                    continue
                pixels = Image.fromarray(art.picture(picture.code)).convert("RGBa")
                # Half-way, so that turning it often costs little.
                pixels.thumbnail((2 * SIDE, 2 * SIDE))
                for _ in range(times):
                    crops.append(_laid(pixels, places, rng))
                    labels.append(number)
    return np.stack(crops), np.array(labels, np.int32)


def _laid(
    pixels: Image.Image, places: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    canvas = np.empty((SIDE, SIDE, 3), np.uint8)
    canvas[:] = rng.integers(0, 256, 3)
    if rng.random() < 0.5:
        canvas = places[rng.integers(len(places))]
    # Where a place on the canvas comes from in the picture.
    zoom = max(pixels.size) / SIDE * np.exp(rng.uniform(-0.1, 0.4))
    across, down = zoom * np.exp(rng.normal(0, 0.08, 2))
    angle = np.deg2rad(rng.normal(0, 8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = np.diag([across, down]) @ turn
    middle = np.array(pixels.size) / 2
    shift = middle - turn @ (SIDE / 2 + rng.normal(0, 0.06 * SIDE, 2))
    rows = (*turn[0], shift[0], *turn[1], shift[1])
    laid = pixels.transform(
        (SIDE, SIDE), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR
    )
    return _over(np.asarray(laid), canvas)


def _over(values: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """Colours times their opacity, over a canvas."""
    through = 255 - values[..., 3:].astype(np.uint16)
    return (values[..., :3] + (canvas * through + 127) // 255).clip(0, 255).astype("u1")


def clean_crops(hand: str) -> tuple[np.ndarray, np.ndarray]:
    """Every picture of a style, whole and upright on one colour.

    Args:
        hand: the style's name.

    Returns:
        (N, 48, 48, 3) uint8 RGB and (N,) int32 places in `concepts()`.
    """
    art, rng = open_art(style(hand)), np.random.default_rng(0)
    crops, labels = [], []
    for number, concept in enumerate(concepts()):
        for picture in concept.shown:
            if picture.code not in art:
                continue
            pixels = art.picture(picture.code)
            side = max(pixels.shape[:2])
            canvas = np.empty((side, side, 3), np.float32)
            canvas[:] = rng.uniform(0, 255, 3)
            top, left = ((side - n) // 2 for n in pixels.shape[:2])
            spot = canvas[top:, left:][: pixels.shape[0], : pixels.shape[1]]
            alpha = pixels[..., 3:] / np.float32(255)
            spot += alpha * (pixels[..., :3] - spot)
            crops.append(to_square(canvas.astype(np.uint8), SIDE))
            labels.append(number)
    return np.stack(crops), np.array(labels, np.int32)


def scene_crops(split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The objects of scenes, each as it is embedded: its box, and 1.5 times its box.

    Args:
        split: of the stickers.

    Returns:
        Two times (N, 48, 48, 3) uint8 RGB, and (N,) int32 places in `concepts()`.
    """
    tight, wide, labels = [], [], []
    for example in Stickers(split):
        image = example.image
        for box, number in zip(example.boxes, example.category_ids - 1, strict=True):
            tight.append(cut(image, box))
            wide.append(cut(image, wider(box, 1.5)))
            labels.append(number)
    return np.stack(tight), np.stack(wide), np.array(labels, np.int32)
