"""Scenes of stickers, composed while they are read."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vild.data.categories import Category
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.data.stickers.art import Art, open_art, opened
from vild.data.stickers.backdrop import backdrop
from vild.data.stickers.concepts import Concept, concepts
from vild.data.stickers.scene import Scene, finished, turned
from vild.data.stickers.styles import styles_of
from vild.errors import InputError


@dataclass(frozen=True)
class Split:
    """What a split shows.

    Attributes:
        number: which scenes it has: those of two splits never meet.
        parts: which concepts are drawn, see `Concept`.
        styles: which hands drew them, see `Style`.
        length: how many scenes there are, if no number is asked for.
        asked: the part whose concepts are held out and asked for.
        tail: whether some base concepts are drawn far more often than others.
    """

    number: int
    parts: tuple[str, ...]
    styles: str
    length: int
    asked: str
    tail: bool = False


SPLITS = {
    "train": Split(0, ("base", "novel", "val"), "train", 20000, "novel", tail=True),
    "val": Split(1, ("base", "val"), "train", 1000, "val"),
    "val-unseen": Split(2, ("base", "val"), "val", 1000, "val"),
    "test-seen": Split(3, ("base", "novel"), "train", 2000, "novel"),
    "test-unseen": Split(4, ("base", "novel"), "test", 2000, "novel"),
}
"""The splits by name. Choices are made on `val` and `val-unseen`, never on tests."""

_STEEPNESS = 0.122  # of the tail: the first base concept is drawn 60 times the last
_FEWEST_FREQUENT = 100  # images of a frequent concept are more, as in LVIS
_FORM = 1  # of scenes: another number where the same seed makes others


class Stickers:
    """Scenes of drawn things, shaped like LVIS, which need no photo.

    Every object has an exact mask. Base concepts have a long tail in training;
    frequent and common are told by the number of images among the 20 000 of
    `train`. Novel ones are called rare: they are drawn in training as often as base
    ones are on average, for a teacher to name, but whoever trains leaves out their
    labels. Concepts of the part `val` are held out likewise and asked for by `val`
    and `val-unseen` instead of the novel ones, so that choices need no test.

    Args:
        split: `train`, `val`, `val-unseen`, `test-seen` or `test-unseen`, with the
            number of scenes if wanted: `train:500`.
        size: (height, width) of the scenes in pixels.
        objects: fewest and most objects in a scene.
        seed: of everything.

    Attributes:
        name: `stickers:` and the split.
        categories: of the concepts that the split asks for; ids are the same in all.
            In `train` those of the part `val` are excluded.
        fingerprint: changes with the arguments and the pictures.

    Raises:
        InputError: for another split, or sizes that nothing fits into.
        DataError: if the pictures have not been fetched and drawn yet, which the
            command `vild data stickers` does.

    Example:
        >>> scenes = Stickers("val:10")  # doctest: +SKIP
        >>> scenes[0].image.shape  # doctest: +SKIP
        (224, 224, 3)
    """

    def __init__(
        self,
        split: str = "train",
        size: tuple[int, int] = (224, 224),
        objects: tuple[int, int] = (1, 12),
        seed: int = 0,
    ) -> None:
        name, _, count = split.partition(":")
        if name not in SPLITS or (count and not count.isdecimal()):
            raise InputError(
                f"The splits of stickers are {', '.join(SPLITS)}, with a number of "
                f"scenes if wanted, as in train:500; received {split!r}."
            )
        if min(size) < 64 or not 1 <= objects[0] <= objects[1] <= 100:
            raise InputError(
                "Scenes need at least 64 pixels each way and 1 to 100 objects, fewest "
                f"before most; received size {size} and objects {objects}."
            )
        self._split, self._seed = SPLITS[name], seed
        self._size, self._objects = (int(size[0]), int(size[1])), objects
        self._length = int(count) if count else self._split.length
        arts = [open_art(style) for style in styles_of(self._split.styles)]
        self._drawn_by = _drawn_by(arts)
        self.name = f"stickers:{name}"
        pixels = "-".join(art.digest for art in arts)
        self.fingerprint = (
            f"stickers-{_FORM}:{name}:{self._size}:{objects}:{seed}:{pixels}"
        )
        self._share = _shares(self._split, self._drawn_by)
        self.categories: Sequence[Category] = _categories(name)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /) -> Example:
        """Composes a scene.

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
        rng = np.random.default_rng([self._seed, self._split.number, index])
        height, width = self._size
        scene = Scene(backdrop(height, width, rng))
        rows = self._compose(scene, rng)
        masks = scene.masks()
        ids = np.array(rows, np.int64) + 1
        boxes, areas = _boxes(masks)
        every = np.array([category.id for category in self.categories])
        return Example(
            image_id=index + 1,
            picture=Picture(finished(scene.canvas, rng), f"{self.name} {index}"),
            size=self._size,
            boxes=boxes,
            category_ids=ids,
            packed_masks=ObjectMasks.pack(masks),
            areas=areas,
            negative_ids=np.setdiff1d(every, ids),
            file_name=f"{self.name.replace(':', '-')}-{index:06}.png",
        )

    def _compose(self, scene: Scene, rng: np.random.Generator) -> list[int]:
        """Pastes stickers; returns the concepts, by their places in the list."""
        fewest, most = self._objects
        # Scenes of few objects are as many as those of many, on a logarithmic scale.
        wanted = int(np.exp(rng.uniform(np.log(fewest), np.log(most + 1))))
        side = min(self._size)
        smallest, largest = 0.09 * side, side * min(0.75, 1.5 / np.sqrt(wanted))
        rows = []
        for row in rng.choice(len(self._share), wanted, p=self._share).tolist():
            path, code = self._drawn_by[row][rng.integers(len(self._drawn_by[row]))]
            size = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
            picture = turned(opened(path).picture(code), size, rng)
            if scene.paste(picture, rng):
                rows.append(row)
        return rows


def _drawn_by(arts: Sequence[Art]) -> list[list[tuple[Path, str]]]:
    """For each concept, the pictures of it that some styles have: file and code."""
    return [
        [(art.path, p.code) for art in arts for p in concept.pictures if p.code in art]
        for concept in concepts()
    ]


def _shares(split: Split, drawn_by: Sequence[Sequence[object]]) -> np.ndarray:
    """How often each concept is drawn: (N,) float64 that sum to 1."""
    known = concepts()
    share = np.ones(len(known))
    if split.tail:
        base = sum(concept.part == "base" for concept in known)
        share[:base] = 1 / (1 + _STEEPNESS * np.arange(base))
        share[base:] = share[:base].mean()
    for row, concept in enumerate(known):
        if concept.part not in split.parts or not drawn_by[row]:
            share[row] = 0
    return share / share.sum()


@functools.cache
def _categories(split: str) -> list[Category]:
    """The categories of a split; what is drawn but never asked for is excluded."""
    asked = SPLITS[split].asked
    frequent = _frequent()
    return [
        Category(
            row + 1,
            concept.name,
            concept.synonyms,
            base=concept.part == "base",
            frequency=_frequency(concept, row < frequent),
            excluded=concept.part not in ("base", asked),
        )
        for row, concept in enumerate(concepts())
        if concept.part in SPLITS[split].parts
    ]


def _frequency(concept: Concept, frequent: bool) -> str:
    if concept.part != "base":
        return "r"
    return "f" if frequent else "c"


def _frequent() -> int:
    """How many base concepts are in more than 100 images of the whole of `train`."""
    train = SPLITS["train"]
    share = _shares(train, [[1]] * len(concepts()))
    # `_compose` draws k objects in this share of the scenes.
    k = np.arange(1, 13)
    objects = (k * np.log1p(1 / k)).sum() / np.log(13)
    return int((objects * train.length * share > _FEWEST_FREQUENT).cumprod().sum())


def _boxes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) float32 x1 y1 x2 y2 around masks that are not empty; (N,) areas."""
    rows, columns = masks.any(axis=2), masks.any(axis=1)
    height, width = masks.shape[1:]
    boxes = np.stack(
        [
            columns.argmax(axis=1),
            rows.argmax(axis=1),
            width - columns[:, ::-1].argmax(axis=1),
            height - rows[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )
    return boxes.astype(np.float32), masks.sum(axis=(1, 2)).astype(np.float32)
