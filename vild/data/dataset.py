"""What a dataset is: categories, and images with their objects by number."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from vild.data.categories import Category
from vild.data.dataset_checks import check_dataset
from vild.data.example import Example

__all__ = ["Category", "Dataset", "Example", "check_dataset"]


@runtime_checkable
class Dataset(Protocol):
    """Images and their objects, for training and evaluation.

    Any object with these names will do; nothing has to be inherited. Reading one
    example must be possible from several threads and processes at once.

    Attributes:
        name: says in messages and in what is written which dataset it is.
        categories: what objects are labelled with, unique in id and in name.

    A dataset may have a `fingerprint`: a string that changes with its content; it
    guards work that is resumed against a dataset that has changed meanwhile.

    Example:
        >>> class Empty:
        ...     name, categories = "empty", [Category(1, "cat")]
        ...     def __len__(self):
        ...         return 0
        ...     def __getitem__(self, index):
        ...         raise IndexError(index)
        >>> isinstance(check_dataset(Empty()), Dataset)
        True
    """

    name: str
    categories: Sequence[Category]

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def __getitem__(self, index: int, /) -> Example:
        """One image with its objects.

        Args:
            index: 0 to length - 1; the order must stay the same.

        Returns:
            The example, neither decoded nor drawn.

        Raises:
            IndexError: if there is no such image.
        """
        ...
