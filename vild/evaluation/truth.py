"""What is really in the images of a dataset, as arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vild.data.categories import Category
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.rle import encode_rle


@dataclass(frozen=True, eq=False)
class Truth:
    """The objects of a dataset, by number of image and of category.

    Attributes:
        name: of the dataset.
        categories: K, by rising id.
        image_ids: (I,) int64, rising.
        sizes: (I, 2) int64: height and width in pixels.
        image: (A,) int64: which image each object is in.
        category: (A,) int64: which category it is of.
        boxes: (A, 4) float64 x y width height in pixels.
        areas: (A,) float64 in square pixels.
        crowd: (A,) bool: whether it stands for many, see `Example.crowd`.
        ignored: (A,) bool: whether it is flagged as neither to be found nor a mistake
            to find.
        ids: (A,) int64: numbers of the annotations.
        segment: number of an object -> its mask as annotated.
        has_masks: whether every object has one.
        negative: (M,) int64: image * K + category that is certainly not there.
        not_exhaustive: (M,) int64: of which only some objects are annotated.
        federated: whether it is known what is certainly not there, and what is
            annotated in part.
    """

    name: str
    categories: Sequence[Category]
    image_ids: np.ndarray
    sizes: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    ids: np.ndarray
    segment: Callable[[int], Any]
    has_masks: bool
    negative: np.ndarray
    not_exhaustive: np.ndarray
    federated: bool

    def __len__(self) -> int:
        return len(self.image)

    def key(self, image: np.ndarray, category: np.ndarray) -> np.ndarray:
        """One number for an image and a category.

        Args:
            image: (N,) numbers of images.
            category: (N,) numbers of categories.

        Returns:
            (N,) int64.
        """
        return image.astype(np.int64) * len(self.categories) + category

    def keep(self, kept: np.ndarray) -> "Truth":
        """A part of the objects, in the same images.

        Args:
            kept: (A,) bool.

        Returns:
            The part.
        """
        rows = np.flatnonzero(kept)
        segment = self.segment
        names = "image", "category", "boxes", "areas", "crowd", "ignored", "ids"
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in names},
            segment=lambda index: segment(int(rows[index])),
        )

    def renamed(self, name: str, categories: Sequence[Category]) -> "Truth":
        """The same objects, with other words for them.

        Args:
            name: of the dataset.
            categories: with the same ids.

        Returns:
            Those.
        """
        return replace(self, name=name, categories=categories)

    def groups(self) -> dict[str, np.ndarray]:
        """Categories that are told apart: base and novel, by frequency.

        Returns:
            Suffix of a metric's name -> (K,) bool: `r`, `c`, `f` where categories
            have a frequency; `_base` and `_novel` where some are novel.
        """
        found: dict[str, np.ndarray] = {}
        if self.categories and all(c.frequency for c in self.categories):
            for letter in "rcf":
                found[letter] = np.array(
                    [c.frequency == letter for c in self.categories]
                )
        novel = np.array([category.novel for category in self.categories], bool)
        if novel.any():
            excluded = np.array([c.excluded for c in self.categories], bool)
            found |= {"_base": ~novel & ~excluded, "_novel": novel}
        return found


class TruthFromExamples:
    """Collects what a dataset says, example by example, without decoding pictures.

    Args:
        name: of the dataset.
        categories: of the dataset.
        masks: whether masks are wanted.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> scenes = DrawnObjects("val:2")
        >>> collected = TruthFromExamples(scenes.name, scenes.categories)
        >>> for index in range(len(scenes)):
        ...     collected.add(scenes[index])
        >>> collected.truth().image_ids
        array([1, 2])
    """

    def __init__(
        self, name: str, categories: Sequence[Category], masks: bool = True
    ) -> None:
        self._name, self._masks = name, masks
        self._categories = sorted(categories, key=lambda category: category.id)
        self._row = {c.id: row for row, c in enumerate(self._categories)}
        self._examples: list[dict[str, Any]] = []

    def add(self, example: Example) -> None:
        """Takes in the objects of an image.

        Args:
            example: of the dataset.
        """
        self._examples.append(
            {
                "id": example.image_id,
                "size": example.size,
                "category": [self._row[i] for i in example.category_ids.tolist()],
                "boxes": np.asarray(example.boxes, np.float64).reshape(-1, 4),
                "areas": np.asarray(example.areas, np.float64),
                "crowd": np.asarray(example.crowd, bool),
                "segments": _segments(example) if self._masks else None,
                "negative": self._rows(example.negative_ids),
                "not_exhaustive": self._rows(example.not_exhaustive_ids),
            }
        )

    def truth(self) -> Truth:
        """What has been collected.

        Returns:
            The objects, of images by rising id.
        """
        found = sorted(self._examples, key=lambda entry: entry["id"])
        image = np.repeat(np.arange(len(found)), [len(e["category"]) for e in found])
        boxes = np.concatenate([np.zeros((0, 4)), *(e["boxes"] for e in found)])
        boxes[:, 2:] -= boxes[:, :2]
        segments = [
            segment
            for e in found
            for segment in e["segments"] or [None] * len(e["category"])
        ]

        def joined(key: str, dtype: Any) -> np.ndarray:
            return np.concatenate([np.zeros(0, dtype), *(e[key] for e in found)])

        def keys(key: str) -> np.ndarray:
            count = len(self._categories)
            parts = [row * count + e[key] for row, e in enumerate(found)]
            return np.concatenate([np.zeros(0, np.int64), *parts])

        return Truth(
            name=self._name,
            categories=self._categories,
            image_ids=np.array([e["id"] for e in found], np.int64),
            sizes=np.array([e["size"] for e in found], np.int64).reshape(-1, 2),
            image=image,
            category=joined("category", np.int64).astype(np.int64),
            boxes=boxes,
            areas=joined("areas", np.float64),
            crowd=joined("crowd", bool),
            ignored=np.zeros(len(image), bool),
            ids=np.arange(1, len(image) + 1),
            segment=segments.__getitem__,
            has_masks=all(segment is not None for segment in segments),
            negative=keys("negative"),
            not_exhaustive=keys("not_exhaustive"),
            federated=any(len(e["negative"]) for e in found),
        )

    def _rows(self, ids: np.ndarray) -> np.ndarray:
        return np.array(
            [self._row[i] for i in ids.tolist() if i in self._row], np.int64
        )


def _segments(example: Example) -> Sequence[Any] | None:
    masks = example.packed_masks
    if masks is None or isinstance(masks, ObjectMasks):
        return None if masks is None else masks.segments
    return [encode_rle(mask) for mask in masks()]
