"""Several datasets as one, which remembers what each of them is annotated for."""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from vild.data.categories import Category
from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.errors import DataError
from vild.names import plain


class Joined:
    """The images of several datasets, one dataset after the other.

    Categories of one name, spelling aside, are one; so is a category with one before
    that alone has its name for a synonym. An object of a category that only another
    dataset has may be in an image without a box: so each example tells by
    `annotated_ids` which categories its own dataset has.

    Args:
        datasets: one or more.
        more: categories besides, of which no image has an object, but of which any
            may have one without a box. Where a dataset has them too, the names and
            synonyms given here hold.
        held_out: names of the categories that take no part in training, whatever the
            datasets say of them and of the others; None: those that a dataset excludes
            and no other has.

    Attributes:
        name: of all datasets, with + between them.
        categories: those of `more`, then those of the datasets, with ids from 1. One
            is base if it is in any of them.
        id_of: for each dataset, its ids of categories -> the ids here.
        fingerprint: changes with those of the datasets and with the categories; None
            if one dataset has none.

    Raises:
        DataError: if two categories of one dataset have the same name, spelling aside.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> both = Joined([DrawnObjects("val:9"), DrawnObjects("train:5")])
        >>> len(both), len(both.categories), both[9].image_id
        (14, 100, 10)
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        more: Sequence[Category] = (),
        held_out: Collection[str] | None = None,
    ) -> None:
        self.datasets = list(datasets)
        self.name = " + ".join(dataset.name for dataset in self.datasets)
        united, self.id_of = _united(self.datasets, more)
        self.categories: Sequence[Category] = united
        if held_out is not None:
            out = {plain(name) for name in held_out}
            self.categories = [
                replace(c, excluded=plain(c.name) in out) for c in united
            ]
        self._starts = np.cumsum([0, *map(len, self.datasets)])
        marks = [getattr(dataset, "fingerprint", None) for dataset in self.datasets]
        self.fingerprint: str | None = None
        if None not in marks:
            text = repr((marks, [int(n) for n in self._starts], self.categories))
            self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int, /) -> Example:
        """One image with its objects.

        Args:
            index: 0 to length - 1.

        Returns:
            The example, with the ids of categories and the image id that it has here.

        Raises:
            IndexError: if there is no such image.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        example = self.datasets[part][index - int(self._starts[part])]
        id_of = self.id_of[part]
        told = example.annotated_ids
        return replace(
            example,
            image_id=index + 1,
            category_ids=_translated(example.category_ids, id_of),
            negative_ids=_translated(example.negative_ids, id_of),
            not_exhaustive_ids=_translated(example.not_exhaustive_ids, id_of),
            annotated_ids=_translated(list(id_of) if told is None else told, id_of),
        )


def _translated(ids: Sequence[int] | np.ndarray, id_of: dict[int, int]) -> np.ndarray:
    return np.array([id_of[int(key)] for key in ids], np.int64)


def _united(
    datasets: Sequence[Dataset], more: Sequence[Category]
) -> tuple[list[Category], list[dict[int, int]]]:
    """The categories of all, and for each dataset its ids -> the new ones."""
    made: list[Category] = []
    id_of: list[dict[int, int]] = []
    for name, categories in [("", more), *((d.name, d.categories) for d in datasets)]:
        _check_names(name, categories)
        rows = _same_as(categories, made)
        ids: dict[int, int] = {}
        for category, row in zip(categories, rows, strict=True):
            if row is None:
                made.append(replace(category, id=len(made) + 1))
                ids[category.id] = len(made)
                continue
            there = made[row]
            made[row] = replace(
                there,
                base=there.base or category.base,
                frequency=there.frequency or category.frequency,
                excluded=there.excluded and category.excluded,
            )
            ids[category.id] = there.id
        id_of.append(ids)
    return made, id_of[1:]


def _check_names(name: str, categories: Sequence[Category]) -> None:
    here: dict[str, str] = {}
    for category in categories:
        other = here.setdefault(plain(category.name), category.name)
        if other is not category.name:
            raise DataError(
                f"The categories {other!r} and {category.name!r} of {name!r} have the "
                "same name, spelling aside: give each its own."
            )


def _same_as(
    categories: Sequence[Category], made: Sequence[Category]
) -> list[int | None]:
    """For each category the row of the one that it is, if it is there already."""
    own = {plain(category.name): row for row, category in enumerate(made)}
    others: dict[str, set[int]] = {}
    for row, category in enumerate(made):
        for synonym in category.synonyms:
            others.setdefault(plain(synonym), set()).add(row)
    rows = [own.get(plain(category.name)) for category in categories]
    wanted = [others.get(plain(category.name), set()) for category in categories]
    taken = Counter(row for row in rows if row is not None)
    taken.update(
        row
        for found, row_of in zip(wanted, rows, strict=True)
        if row_of is None
        for row in found
    )
    for place, found in enumerate(wanted):
        # Two that would become one are told apart by somebody: they stay two.
        if rows[place] is None and len(found) == 1 and taken[min(found)] == 1:
            rows[place] = min(found)
    return rows
