"""Some images of a dataset, each any number of times."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.errors import InputError


class Picked:
    """Some images of a dataset, in an order of their own.

    An image may be there several times, so that a training shows it more often; a
    store is made for images that are there once.

    Args:
        dataset: any.
        indexes: (N,) which of its images, from 0.

    Attributes:
        name: of the dataset.
        categories: of the dataset.
        fingerprint: changes with the dataset's and with the choice; None if it has
            none.
        indexes: (N,) int64, see above.

    Raises:
        InputError: for an image that there is not.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> some = Picked(DrawnObjects("val:9"), [4, 4, 0])
        >>> len(some), some[1].image_id, some[2].image_id
        (3, 5, 1)
    """

    def __init__(self, dataset: Dataset, indexes: Sequence[int] | np.ndarray) -> None:
        self.dataset = dataset
        self.name, self.categories = dataset.name, dataset.categories
        self.indexes = np.asarray(indexes, np.int64)
        strange = (self.indexes < 0) | (self.indexes >= len(dataset))
        if strange.any():
            raise InputError(
                f"The dataset {dataset.name!r} has {len(dataset)} images, received the "
                f"number {self.indexes[strange][0]}: count them from 0."
            )
        self.fingerprint = mark_of_part(dataset, "images", self.indexes)

    def __len__(self) -> int:
        return len(self.indexes)

    def __getitem__(self, index: int, /) -> Example:
        """One image with its objects.

        Args:
            index: 0 to length - 1.

        Returns:
            The example.

        Raises:
            IndexError: if there is no such image.
        """
        return self.dataset[int(self.indexes[index])]


def mark_of_part(dataset: Any, kind: str, chosen: np.ndarray) -> str | None:
    """The fingerprint of a part of a dataset.

    Args:
        dataset: any.
        kind: what the numbers are of: `images`, or `categories`, with `+ empty` where
            images without any of them stay.
        chosen: (N,) integers that tell the part from others.

    Returns:
        It changes with the dataset's, the kind and the numbers; None if that has none.
    """
    mark = getattr(dataset, "fingerprint", None)
    if mark is None:
        return None
    digest = hashlib.sha256(f"{mark} {kind} ".encode())
    digest.update(chosen.astype("<i8").tobytes())
    return digest.hexdigest()
