"""A dataset as if only some of its categories had ever been annotated."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vild.data.categories import Category
from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.picked import mark_of_part
from vild.errors import InputError
from vild.names import plain


class Narrowed:
    """Some categories of a dataset, and the images that show them.

    Objects of other categories are still to be seen, but have no box. Images without
    any object are left out, unless that is told otherwise: to find them, all examples
    are read once.

    Args:
        dataset: any.
        names: of categories, in any spelling.
        keep_empty: whether images without any object stay.

    Attributes:
        name: of the dataset.
        categories: those that are named, in the dataset's order.
        fingerprint: changes with the dataset's and with what is left of it; None if it
            has none.

    Raises:
        InputError: for a name that no category has.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> some = Narrowed(DrawnObjects("val:40"), ["Blue ring", "cyan heart"])
        >>> len(some), [category.name for category in some.categories]
        (8, ['blue ring', 'cyan heart'])
    """

    def __init__(
        self, dataset: Dataset, names: Sequence[str], *, keep_empty: bool = False
    ) -> None:
        self.dataset, self.name = dataset, dataset.name
        wanted = {plain(name) for name in names}
        self.categories: Sequence[Category] = [
            c for c in dataset.categories if plain(c.name) in wanted
        ]
        found = {plain(category.name) for category in self.categories}
        for name in names:
            if plain(name) not in found:
                raise InputError(
                    f"The dataset {dataset.name!r} has no category {name!r}: name some "
                    "of its own."
                )
        self._ids = np.array([category.id for category in self.categories], np.int64)
        self._images = [
            index
            for index in range(len(dataset))
            if keep_empty or len(self._rows(dataset[index]))
        ]
        self.fingerprint = mark_of_part(
            dataset, "categories + empty" if keep_empty else "categories", self._ids
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> Example:
        """One image with its objects of these categories.

        Args:
            index: 0 to length - 1.

        Returns:
            The example.

        Raises:
            IndexError: if there is no such image.
        """
        example = self.dataset[self._images[index]]
        rows = self._rows(example)
        masks: Any = example.packed_masks
        if masks is not None:
            if not isinstance(masks, ObjectMasks):
                masks = ObjectMasks.pack(masks())
            masks = masks[rows]
        return replace(
            example,
            boxes=example.boxes[rows],
            category_ids=example.category_ids[rows],
            packed_masks=masks,
            crowd=example.crowd[rows],
            areas=example.areas[rows],
            negative_ids=self._here(example.negative_ids),
            not_exhaustive_ids=self._here(example.not_exhaustive_ids),
            annotated_ids=None
            if example.annotated_ids is None
            else self._here(example.annotated_ids),
        )

    def _rows(self, example: Example) -> np.ndarray:
        return np.flatnonzero(np.isin(example.category_ids, self._ids))

    def _here(self, ids: np.ndarray) -> np.ndarray:
        return ids[np.isin(ids, self._ids)]
