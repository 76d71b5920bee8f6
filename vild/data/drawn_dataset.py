"""A dataset of drawn objects that is made while it is read: no file, no download."""

import functools
from collections.abc import Sequence

import numpy as np

from vild.data.categories import Category
from vild.data.drawn import COLOURS, PATTERNS, SHAPES, Drawing, drawings, paste
from vild.data.drawn_background import background
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.errors import InputError

# Which images a split has: they never meet.
_SPLITS = {"train": 0, "val": 1}

_LENGTHS = {"train": 2000, "val": 200}

# Of an object that others cover, this much must be left to be called one.
_VISIBLE = 0.4


class DrawnObjects:
    """Scenes of drawn objects with composed names, shaped like LVIS.

    Every object has a mask. Of 100 categories, 80 are base classes with a long tail:
    in the training split the most frequent one is seen some 60 times as often as the
    rarest. The other 20 are novel, drawn in both splits; whoever trains leaves their
    labels out. The validation split shows all alike.

    What is novel is for you to choose. Compositions: words that the base classes
    know singly, so that a detector that has learned texts alone may name them.
    Colours: two of ten colours have no base class, while the same shapes with the same
    patterns do in the other eight, so that only a teacher can tell what they are
    called.

    Args:
        split: `"train"` or `"val"`, with the number of images if it is not 2000 or
            200: `"train:500"`.
        size: (height, width) of the images in pixels.
        objects: fewest and most objects in an image.
        seed: of everything.
        novel: `"compositions"` or `"colours"`.

    Attributes:
        name: `drawn:` and the split; of novel colours `drawn-colours:` and
            the split.
        categories: 100, base classes first, by falling frequency.
        fingerprint: changes with the arguments.

    Raises:
        InputError: for another split, or sizes that nothing fits into.

    Example:
        >>> scenes = DrawnObjects("val:10")
        >>> len(scenes), len(scenes.categories), scenes[0].image.shape
        (10, 100, (256, 256, 3))
    """

    def __init__(
        self,
        split: str = "train",
        size: tuple[int, int] = (256, 256),
        objects: tuple[int, int] = (2, 7),
        seed: int = 0,
        novel: str = "compositions",
    ) -> None:
        name, _, count = split.partition(":")
        if name not in _SPLITS or (count and not count.isdecimal()):
            raise InputError(
                "The split of drawn objects is train or val, with a number of images "
                f"if wanted, as in train:500; received {split!r}."
            )
        if min(size) < 64 or not 1 <= objects[0] <= objects[1]:
            raise InputError(
                "Scenes need at least 64 pixels each way and 1 object, fewest before "
                f"most; received size {size} and objects {objects}."
            )
        if novel not in _CHOICES:
            raise InputError(
                f"What is novel is {' or '.join(_CHOICES)}, received {novel!r}."
            )
        kind = "drawn" if novel == "compositions" else f"drawn-{novel}"
        self.name = f"{kind}:{name}"
        self.fingerprint = f"{kind}-1:{name}:{size}:{objects}:{seed}"
        self._split, self._seed = _SPLITS[name], seed
        self._length = int(count) if count else _LENGTHS[name]
        self._size, self._objects = tuple(size), objects
        pairs = _categories(seed, novel)
        self.categories: Sequence[Category] = [category for category, _ in pairs]
        self._drawings = [drawing for _, drawing in pairs]
        share = np.ones(len(self._drawings))
        if name == "train":
            base = sum(category.base for category in self.categories)
            share[:base] = 1 / (1 + 0.75 * np.arange(base))
            share[base:] = share[:base].mean()
        self._share = share / share.sum()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /) -> Example:
        """Draws a scene.

        Args:
            index: 0 to length - 1.

        Returns:
            The example; the same every time.

        Raises:
            IndexError: if there is no such image.
        """
        if not -self._length <= index < self._length:
            raise IndexError(index)
        index %= self._length
        rng = np.random.default_rng([self._seed, self._split, index])
        height, width = self._size
        canvas = background(height, width, rng)
        rows, masks, sizes = self._draw(canvas, rng)
        seen = [m.sum() > _VISIBLE * size for m, size in zip(masks, sizes, strict=True)]
        kept = np.flatnonzero(seen)
        shown = np.array(masks)[kept].reshape(-1, height, width)
        ids = np.array([self.categories[rows[i]].id for i in kept], np.int64)
        every = np.array([category.id for category in self.categories])
        there = [self.categories[row].id for row in rows]
        return Example(
            image_id=index + 1,
            picture=Picture(canvas, f"{self.name} {index}"),
            size=(height, width),
            boxes=_boxes(shown),
            category_ids=ids,
            packed_masks=ObjectMasks.pack(shown),
            areas=shown.sum(axis=(1, 2)).astype(np.float32),
            negative_ids=np.setdiff1d(every, there),
            file_name=f"{self.name.replace(':', '-')}-{index:06}.png",
        )

    def _draw(
        self, canvas: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[int], list[np.ndarray], list[int]]:
        """Draws objects; returns categories, what is to be seen, and full sizes."""
        height, width = canvas.shape[:2]
        count = rng.integers(self._objects[0], self._objects[1] + 1)
        rows = rng.choice(len(self._drawings), count, p=self._share).tolist()
        largest = 0.45 * min(height, width)
        masks: list[np.ndarray] = []
        sizes: list[int] = []
        for row in rows:
            # Small objects are as many as large ones, on a logarithmic scale.
            size = int(np.exp(rng.uniform(np.log(20), np.log(largest))))
            centre = rng.integers(size // 2, [width - size // 2, height - size // 2])
            x, y = (int(n) for n in centre)
            mask = paste(canvas, self._drawings[row], (x, y), size, rng)
            masks = [before & ~mask for before in masks]
            masks.append(mask)
            sizes.append(int(mask.sum()))
        return rows, masks, sizes


@functools.cache
def _categories(seed: int, novel: str) -> list[tuple[Category, Drawing]]:
    """80 base classes and 20 novel ones, in an order that depends on the seed."""
    frequency = "f" * 20 + "c" * 60 + "r" * 20
    return [
        (
            Category(i + 1, d.name, d.synonyms, frequency[i] != "r", frequency[i]),
            d,
        )
        for i, d in enumerate(_CHOICES[novel](seed))
    ]


def _compositions(seed: int) -> list[Drawing]:
    """80 drawings, and 20 of those that nothing shipped was fitted on."""
    rng = np.random.default_rng([seed, 7])
    everything = drawings()
    order = rng.permutation(len(everything))
    fitted = [everything[i] for i in order if not everything[i].held_out]
    held_out = [everything[i] for i in order if everything[i].held_out]
    return [*fitted[:80], *held_out[:20]]


def _new_colours(seed: int) -> list[Drawing]:
    """Ten shapes with patterns in eight colours; the same ten in two others."""
    rng = np.random.default_rng([seed, 13])
    shapes = rng.permutation(list(SHAPES)).tolist()[:10]
    colours = rng.permutation(list(COLOURS)).tolist()
    patterns = rng.permutation(2 * list(PATTERNS)).tolist()
    looks = list(zip(patterns, shapes, strict=True))
    known = [Drawing(colour, *look) for look in looks for colour in colours[2:]]
    new = [Drawing(colour, *look) for look in looks for colour in colours[:2]]
    return [*(known[i] for i in rng.permutation(len(known))), *new]


_CHOICES = {
    "compositions": _compositions,
    "colours": _new_colours,
}


def _boxes(masks: np.ndarray) -> np.ndarray:
    """(N, 4) float32 x1 y1 x2 y2 around masks that are not empty."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
