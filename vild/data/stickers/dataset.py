"""Scenes of stickers, composed while they are read."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vild.data.categories import Category
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.data.stickers.art import Art, open_art, opened
from vild.data.stickers.backdrop import backdrop
from vild.data.stickers.catalogue import concepts, concepts_digest, photos_digest
from vild.data.stickers.scene import Scene, finished, turned
from vild.data.stickers.splits import OBJECTS, categories, read_split, shares
from vild.errors import InputError

_FORM = 1  # of scenes: another number where the same seed makes others
_MOST = 100  # objects in a scene


class Stickers:
    """Scenes of drawn things, shaped like LVIS, which need no photo.

    Every object has an exact mask. Base concepts have a long tail in training;
    frequent and common are told by the number of images among the 20 000 of
    `train`. Novel ones are called rare: they are drawn in training as often as base
    ones are on average, for a teacher to name, but whoever trains leaves out their
    labels. Concepts of the part `val` are held out likewise and asked for by `val`
    and `val-unseen` instead of the novel ones, so that choices need no test.

    Args:
        split: `train`, `val`, `val-unseen`, `test-seen`, `test-unseen` or
            `test-photos`; with some styles only: `test-unseen/twemoji`; with a number
            of scenes: `train:500`.
        size: (height, width) of the scenes in pixels.
        objects: fewest and most objects in a scene.
        seed: of everything, 0 to 2**32 - 1.
        even: whether all concepts are drawn equally often, in `train` too: for who
            trains a teacher.

    Attributes:
        name: `stickers:` and the split, with the styles if they were named.
        categories: of the concepts that the split draws; ids are the same in all.
            In `train` those of the part `val` are excluded.
        fingerprint: changes with the arguments, the list of concepts, the styles of
            the split and their pictures.

    Raises:
        InputError: for another split or style, or sizes that nothing fits into.
        DataError: if the pictures have not been fetched and drawn yet, which the
            command `vild data stickers` does, for photos with
            `--splits test-photos`.

    Example:
        >>> scenes = Stickers("val:10")  # doctest: +SKIP
        >>> scenes[0].image.shape  # doctest: +SKIP
        (224, 224, 3)
    """

    def __init__(
        self,
        split: str = "train",
        size: tuple[int, int] = (224, 224),
        objects: tuple[int, int] = OBJECTS,
        seed: int = 0,
        even: bool = False,
    ) -> None:
        wanted = read_split(split)
        check_scenes(size, objects, seed)
        self._size, self._objects = (int(size[0]), int(size[1])), objects
        self._seed, self._length = (seed, wanted.split.number), wanted.length
        arts = [open_art(style) for style in wanted.styles]
        self._drawn_by = _drawn_by(arts)
        drawn = np.array([bool(pictures) for pictures in self._drawn_by])
        shown = dataclasses.replace(wanted.split, tail=wanted.split.tail and not even)
        self._share = shares(shown, drawn)
        self.name = f"stickers:{wanted.name}"
        self.categories: Sequence[Category] = categories(wanted.split)
        hands = [f"{art.style}={art.digest}" for art in arts]
        drawn_how = (wanted.name, self._size, objects, seed, hands)
        made_of = (concepts_digest(), *drawn_how, *(["even"] if even else []))
        if wanted.split.styles == "photos":
            made_of += (photos_digest(),)
        self.fingerprint = f"stickers-{_FORM}:" + ":".join(map(str, made_of))

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
        rng = np.random.default_rng([*self._seed, index])
        scene = Scene(backdrop(*self._size, rng))
        rows = self._compose(scene, rng)
        masks = scene.masks()
        boxes, areas = _boxes(masks)
        ids = np.array(rows, np.int64) + 1
        every = np.array([category.id for category in self.categories])
        stem = self.name.replace(":", "-").replace("/", "-")
        return Example(
            image_id=index + 1,
            picture=Picture(finished(scene.canvas, rng), f"{self.name} {index}"),
            size=self._size,
            boxes=boxes,
            category_ids=ids,
            packed_masks=ObjectMasks.pack(masks),
            areas=areas,
            negative_ids=np.setdiff1d(every, ids),
            file_name=f"{stem}-{index:06}.png",
        )

    def _compose(self, scene: Scene, rng: np.random.Generator) -> list[int]:
        """Pastes stickers; returns the concepts, by their places in the list."""
        fewest, most = self._objects
        # Scenes of few objects are as many as those of many, on a logarithmic scale.
        count = int(np.exp(rng.uniform(np.log(fewest), np.log(most + 1))))
        side = min(self._size)
        smallest, largest = 0.09 * side, side * min(0.75, 1.5 / np.sqrt(count))
        rows = []
        for row in rng.choice(len(self._share), count, p=self._share).tolist():
            path, code = self._drawn_by[row][rng.integers(len(self._drawn_by[row]))]
            size = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
            picture = turned(opened(path).picture(code), size, rng)
            if scene.paste(picture, rng):
                rows.append(row)
        return rows


def check_scenes(size: tuple[int, int], objects: tuple[int, int], seed: int) -> None:
    """Tells scenes that cannot be composed, before anything is fetched.

    Args:
        size: as for `Stickers`.
        objects: likewise.
        seed: likewise.

    Raises:
        InputError: if nothing fits, or the seed is no number of 32 bits.
    """
    if min(size) < 64 or not 1 <= objects[0] <= objects[1] <= _MOST:
        raise InputError(
            f"Scenes need at least 64 pixels each way and 1 to {_MOST} objects, "
            f"fewest before most; received size {size} and objects {objects}."
        )
    # numpy splits a larger one into words of 32 bits, so two seeds could mean the same.
    if not 0 <= seed < 2**32:
        raise InputError(f"The seed must be 0 to {2**32 - 1}, received {seed}.")


def _drawn_by(arts: Sequence[Art]) -> list[list[tuple[Path, str]]]:
    """For each concept, the pictures of it that some styles have: file and code."""
    return [
        [
            (art.path, picture.code)
            for art in arts
            for picture in concept.shown
            if picture.code in art
        ]
        for concept in concepts()
    ]


def _boxes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) float32 x1 y1 x2 y2 around masks that are not empty; (N,) areas."""
    rows, columns = (np.asarray(masks.any(axis=axis)) for axis in (2, 1))
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
