"""Drawn objects: a colour, a pattern and a shape, whose names compose.

Pictures of them need no download, and there are names that nobody was trained on:
enough to try an open-vocabulary detector on in minutes, and nothing more.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from vild.data.drawn_paint import between, coverage, second_share, shading, tones
from vild.data.drawn_shapes import outline, turn_limit
from vild.data.images import check_image
from vild.errors import InputError

COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("crimson",),
    "orange": ("tangerine",),
    "yellow": ("golden",),
    "green": ("emerald",),
    "cyan": ("teal", "turquoise"),
    "blue": ("navy",),
    "purple": ("violet",),
    "pink": ("rose",),
    "brown": ("chestnut",),
    "black": ("ebony",),
}
"""Colours and their synonyms. The background and the second tone of a pattern are
neither of them: one is muted, the other near white or, under light colours, black."""
PATTERNS: dict[str, tuple[str, ...]] = {
    "plain": ("solid",),
    "striped": ("stripy",),
    "dotted": ("spotted",),
    "checked": ("chequered", "checkered"),
    "bordered": ("edged",),
}
"""Patterns and their synonyms."""
SHAPES: dict[str, tuple[str, ...]] = {
    "circle": ("disc", "disk"),
    "square": ("box",),
    "triangle": ("wedge",),
    "star": ("pentagram",),
    "cross": ("plus",),
    "ring": ("hoop",),
    "heart": ("valentine",),
    "crescent": ("moon",),
    "hexagon": ("honeycomb",),
    "arrow": ("pointer",),
    "diamond": ("rhombus",),
    "flower": ("blossom",),
    "bolt": ("lightning",),
    "drop": ("teardrop",),
}
"""Shapes and their synonyms; `drawn_shapes.OUTLINES` has their outlines."""

_SMALLEST = 4


@dataclass(frozen=True)
class Drawing:
    """What is drawn.

    Attributes:
        colour: a key of `COLOURS`.
        pattern: a key of `PATTERNS`.
        shape: a key of `SHAPES`.

    Raises:
        InputError: if one of them is unknown.

    Example:
        >>> Drawing("red", "striped", "star").name
        'striped red star'
    """

    colour: str
    pattern: str
    shape: str

    def __post_init__(self) -> None:
        for word, known in zip(self._words(), (COLOURS, PATTERNS, SHAPES), strict=True):
            if word not in known:
                raise InputError(
                    f"A drawing cannot have {word!r}: choose from {', '.join(known)}."
                )

    @property
    def name(self) -> str:
        """Pattern, colour and shape; "plain" is left out."""
        return self._phrase(*self._words())

    @property
    def synonyms(self) -> tuple[str, ...]:
        """All names it goes by, its own first: one word replaced in each."""
        colour, pattern, shape = self._words()
        return (
            self.name,
            *(self._phrase(word, pattern, shape) for word in COLOURS[colour]),
            # "solid red star" is what nobody says, as is "plain red star".
            *(
                self._phrase(colour, word, shape)
                for word in PATTERNS[pattern]
                if pattern != "plain"
            ),
            *(self._phrase(colour, pattern, word) for word in SHAPES[shape]),
        )

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the fifth that nothing shipped was fitted on.

        Every pair of words is left in other compositions, so that only the
        composition is new.
        """
        return (
            list(COLOURS).index(self.colour)
            + list(PATTERNS).index(self.pattern)
            + list(SHAPES).index(self.shape)
        ) % 5 == 0

    def _words(self) -> tuple[str, str, str]:
        return self.colour, self.pattern, self.shape

    @staticmethod
    def _phrase(colour: str, pattern: str, shape: str) -> str:
        return " ".join([*([] if pattern == "plain" else [pattern]), colour, shape])


def drawings() -> tuple[Drawing, ...]:
    """All 700 drawings, in an order that stays.

    Returns:
        A tuple: colours change slowest, shapes fastest.

    Example:
        >>> [drawing.name for drawing in drawings()[:2]]
        ['red circle', 'red square']
    """
    return tuple(
        Drawing(*words) for words in itertools.product(COLOURS, PATTERNS, SHAPES)
    )


def draw(
    drawing: Drawing,
    size: int | tuple[int, int],
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws an object that just fills its patch.

    Args:
        drawing: what to draw.
        size: the longer side in pixels, or (height, width) to stretch it to; at
            least 4.
        rng: where variation comes from: turn, proportions, hue, brightness, angle
            and size of the pattern; None for upright and average.

    Returns:
        The patch, (H, W, 4) uint8 RGBA with soft edges, and its mask, (H, W) bool,
        true where the object covers half of a pixel or more.

    Raises:
        InputError: if the size is below 4 pixels.

    Example:
        >>> patch, mask = draw(Drawing("red", "plain", "star"), 40)
        >>> patch.shape, mask.shape, bool(mask[20, 20]), bool(mask[0, 0])
        ((38, 40, 4), (38, 40), True, False)
    """
    if min(np.ravel(size)) < _SMALLEST:
        raise InputError(
            f"A drawing needs at least {_SMALLEST} pixels, received size {size!r}."
        )
    rings = _placed(drawing.shape, rng)
    extent = np.concatenate(rings).max(axis=0)
    if isinstance(size, tuple):
        height, width = size
    else:
        width, height = np.rint(size * extent / extent.max()).astype(int).tolist()
    rings = [ring * ([width, height] / extent) for ring in rings]
    opacity = coverage(rings, height, width)
    first, second = tones(drawing.colour, rng)
    share = second_share(drawing.pattern, rings, opacity, rng)[..., None]
    colours = first + (second - first) * share
    colours *= shading(height, width, rng)[..., None]
    patch = np.dstack([np.clip(colours, 0, 1), opacity])
    # Of a shape that covers half of no pixel, the pixels that it covers most.
    mask = opacity >= min(0.5, opacity.max())
    return np.rint(255 * patch).astype(np.uint8), mask


def paste(
    canvas: np.ndarray,
    drawing: Drawing,
    centre: tuple[int, int],
    size: int | tuple[int, int],
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Draws an object on a picture, over what is there.

    Args:
        canvas: (H, W, 3) uint8 RGB, changed in place.
        drawing: what to draw.
        centre: (x, y) of its patch in pixels of the canvas; what lies outside of
            the canvas is cut off.
        size: as for `draw`.
        rng: as for `draw`.

    Returns:
        (H, W) bool: where the object is to be seen, now. It is empty if all of it
        lies outside; what is pasted later may cover it.

    Raises:
        InputError: if the size is below 4 pixels or the canvas is no picture.

    Example:
        >>> canvas = np.full((50, 60, 3), 128, np.uint8)
        >>> mask = paste(canvas, Drawing("blue", "dotted", "ring"), (30, 25), 20)
        >>> np.argwhere(mask).min(axis=0).tolist(), int(mask.any(axis=0).sum())
        ([15, 20], 20)
    """
    check_image(canvas)
    patch, patch_mask = draw(drawing, size, rng)
    mask = np.zeros(canvas.shape[:2], bool)
    corner = np.array(centre)[::-1] - np.array(patch_mask.shape) // 2
    start = np.maximum(corner, 0)
    stop = np.minimum(corner + patch_mask.shape, mask.shape)
    if (stop > start).all():
        there = tuple(map(slice, start, stop))
        here = tuple(map(slice, start - corner, stop - corner))
        opacity = patch[here][..., 3:] / np.float32(255)
        under = canvas[there]
        mixed = under + (patch[here][..., :3] - under.astype(np.float32)) * opacity
        canvas[there] = np.rint(mixed).astype(np.uint8)
        mask[there] = patch_mask[here]
    return mask


def _placed(shape: str, rng: np.random.Generator | None) -> list[np.ndarray]:
    """The outline turned and stretched, with its box from (0, 0)."""
    limit = turn_limit(shape)
    turn = np.deg2rad(between(rng, -limit, limit))
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    stretch = np.exp(between(rng, -0.15, 0.15))
    rings = [ring @ matrix * [stretch, 1] for ring in outline(shape)]
    corner = np.concatenate(rings).min(axis=0)
    return [ring - corner for ring in rings]
