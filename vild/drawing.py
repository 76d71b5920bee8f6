"""Detections drawn onto their photo: boxes, translucent masks, readable names."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

# Twenty colours that stay apart from each other on photos, the most distinct first.
_PALETTE: tuple[Colour, ...] = (
    (255, 64, 64),
    (0, 150, 255),
    (255, 200, 0),
    (60, 200, 80),
    (190, 80, 255),
    (255, 130, 0),
    (0, 220, 210),
    (255, 90, 180),
    (160, 220, 40),
    (90, 90, 255),
    (180, 110, 60),
    (0, 160, 120),
    (250, 170, 150),
    (140, 200, 255),
    (200, 30, 90),
    (120, 130, 0),
    (215, 180, 255),
    (0, 100, 160),
    (240, 235, 130),
    (130, 40, 130),
)
_MASK_OPACITY = 0.42
# Tried in turn for names the built-in font has no letters for; any may be missing.
_FALLBACK_FONTS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "arial.ttf",
)

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Tag(NamedTuple):
    """A label as it will be written, and the spot it has found."""

    label: str
    font: Font
    spot: Box


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[str],
    masks: np.ndarray | None = None,
    class_ids: np.ndarray | None = None,
) -> Image.Image:
    """Draw boxes, masks and labels onto a copy of the photo.

    Line and text size follow the size of the photo. Boxes are clipped to the photo,
    and those outside it are left out; labels are moved apart where there is room,
    shortened where there is none. Earlier detections lie on top of later ones.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels.
        labels: N texts. Letters that no installed font has are drawn as `?`.
        masks: (N, H, W) bool, or None.
        class_ids: (N,) ints; the same number has the same colour in every picture.
            None gives each detection its own colour.

    Returns:
        A new RGB picture of the same size.

    Example:
        >>> import numpy as np
        >>> photo = np.zeros((64, 96, 3), np.uint8)
        >>> draw_detections(photo, np.array([[8, 20, 60, 60]]), ["cat 0.9"]).size
        (96, 64)
    """
    height, width = image.shape[:2]
    scale = float(np.sqrt(height * width))
    line = max(1, round(scale / 260))
    text = max(9, round(scale / 38))
    ids = range(len(boxes)) if class_ids is None else [int(i) for i in class_ids]
    colours = [_PALETTE[i % len(_PALETTE)] for i in ids]
    clipped = [_inside(box, width, height) for box in np.asarray(boxes, np.float64)]
    corners = {i: box for i, box in enumerate(clipped) if box is not None}
    back_to_front = list(reversed(corners))

    pixels = image.copy()
    if masks is not None:
        for i in back_to_front:
            _tint(pixels, masks[i], colours[i], line)
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    for i in back_to_front:
        pen.rectangle(corners[i], outline=colours[i], width=line)
    tags: dict[int, _Tag] = {}
    for i, box in corners.items():
        tags[i] = _place_tag(box, labels[i], text, (width, height), tags.values())
    for i in back_to_front:
        _write(pen, tags[i], colours[i], text)
    return picture


def _inside(box: np.ndarray, width: int, height: int) -> Box | None:
    """Clip a box to the photo, in whole pixels; None if it lies outside."""
    if not np.isfinite(box).all():
        return None
    x1, y1, x2, y2 = (float(side) for side in box)
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0 or x2 < x1 or y2 < y1:
        return None
    left, top = max(round(x1), 0), max(round(y1), 0)
    left, top = min(left, width - 1), min(top, height - 1)
    right, bottom = min(round(x2), width - 1), min(round(y2), height - 1)
    return left, top, max(right, left), max(bottom, top)


def _tint(pixels: np.ndarray, mask: np.ndarray, colour: Colour, line: int) -> None:
    """Blend the colour into the mask and trace the inner edge of the mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    part, inside = pixels[window], mask[window]
    paint = np.array(colour, np.float32)
    core = inside
    for _ in range(line):
        core = _erode(core)
    blended = part[core] * (1 - _MASK_OPACITY) + paint * _MASK_OPACITY
    part[core] = blended.round().astype(np.uint8)
    part[inside & ~core] = colour


def _erode(mask: np.ndarray) -> np.ndarray:
    """Remove the pixels that have one of their four neighbours outside the mask."""
    grown = np.pad(mask, 1)
    return (
        mask & grown[:-2, 1:-1] & grown[2:, 1:-1] & grown[1:-1, :-2] & grown[1:-1, 2:]
    )


def _place_tag(
    box: Box, label: str, size: int, picture: tuple[int, int], tags: Iterable[_Tag]
) -> _Tag:
    """Find a free spot for a label, near the top left corner of its box."""
    width, height = picture
    gap = max(2, size // 4)
    font, label = _fit(label, size, width - 2 * gap)
    tag_width = round(font.getlength(label)) + 2 * gap
    tag_height = sum(_extent(font, size)) + gap
    left = max(min(box[0], width - tag_width), 0)
    tops = [box[1] - tag_height, box[1], box[3] - tag_height, box[3] + 1]
    tops += [box[1] + step * tag_height for step in range(1, 5)]
    spots = [
        (left, top, left + tag_width, top + tag_height)
        for top in tops
        if 0 <= top <= height - tag_height
    ]
    free = [s for s in spots if not any(_overlap(s, tag.spot) for tag in tags)]
    nearest = (left, 0, left + tag_width, tag_height)
    return _Tag(label, font, next(iter(free or spots), nearest))


def _write(pen: ImageDraw.ImageDraw, tag: _Tag, colour: Colour, size: int) -> None:
    if not tag.label:
        return
    x1, y1, x2, y2 = tag.spot
    gap = max(2, size // 4)
    pen.rectangle((x1, y1, x2 - 1, y2 - 1), fill=colour)
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = "black" if luminance > 140 else "white"
    base = y1 + gap // 2 + _extent(tag.font, size)[0]
    pen.text((x1 + gap, base), tag.label, ink, tag.font, anchor="ls")


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _fit(label: str, size: int, room: int) -> tuple[Font, str]:
    """Return the font and the text that will do, cut to the room in pixels."""
    label = "".join(c if c.isprintable() else " " for c in label)
    font, label = _font_for(label, size)
    if font.getlength(label) <= room:
        return font, label
    while label and font.getlength(label + "...") > room:
        label = label[:-1]
    return font, label and label.rstrip() + "..."


@lru_cache(maxsize=1024)
def _font_for(label: str, size: int) -> tuple[Font, str]:
    """Return the first font that has every letter, else the first one and `?`."""
    fonts = _fonts(size)
    for font in fonts:
        if all(_has(font, letter) for letter in label):
            return font, label
    plain = unicodedata.normalize("NFKD", label)
    kept = [c for c in plain if not unicodedata.combining(c)]
    return fonts[0], "".join(c if _has(fonts[0], c) else "?" for c in kept)


@lru_cache(maxsize=32)
def _fonts(size: int) -> list[Font]:
    fonts: list[Font] = [ImageFont.load_default(size=size)]
    for name in _FALLBACK_FONTS:
        try:
            fonts.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return fonts


def _has(font: Font, letter: str) -> bool:
    """Tell whether a font can draw a letter: what it cannot, it draws as a box."""
    if letter.isascii():
        return True
    return _shape(font, letter) != _shape(font, "\uffff")


def _shape(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    drawn = font.getmask(letter)
    return drawn.size, bytes(drawn)


def _extent(font: Font, size: int) -> tuple[int, int]:
    """Return how far text reaches above and below its base line, in pixels."""
    if isinstance(font, ImageFont.FreeTypeFont):
        return font.getmetrics()
    return size, 0
