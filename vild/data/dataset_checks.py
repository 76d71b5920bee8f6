"""Whether an object is a dataset, tried on a few of its images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from vild.data.categories import Category
from vild.data.example import Example
from vild.errors import DataError

if TYPE_CHECKING:
    from vild.data.dataset import Dataset

    AnyDataset = TypeVar("AnyDataset", bound=Dataset)
else:
    AnyDataset = TypeVar("AnyDataset")

_SLACK = 1e-3  # pixels that a box may leave its image by, for rounding


def check_dataset(dataset: AnyDataset, examples: int = 8) -> AnyDataset:
    """Tells what is wrong with a dataset before hours are spent on it.

    Args:
        dataset: anything that may be one.
        examples: how many images are decoded, with their masks, evenly spread.

    Returns:
        The dataset.

    Raises:
        DataError: says what was expected and what was received.

    Example:
        >>> check_dataset("cats")
        Traceback (most recent call last):
        vild.errors.DataError: A dataset needs a text `name`, received a str without...
    """
    if isinstance(dataset, type):
        raise DataError(
            f"A dataset is expected, received the class {dataset.__name__}: write "
            f"{dataset.__name__}(...)."
        )
    kind = type(dataset).__name__
    name = getattr(dataset, "name", None)
    if not isinstance(name, str) or not name:
        received = f"{name!r}" if hasattr(dataset, "name") else f"a {kind} without one"
        raise DataError(f"A dataset needs a text `name`, received {received}.")
    for method in ("__len__", "__getitem__"):
        if not callable(getattr(dataset, method, None)):
            raise DataError(f"The dataset {name!r} needs a method `{method}`.")
    known = _check_categories(name, getattr(dataset, "categories", None))
    for index in _spread(len(dataset), examples):
        try:
            example = dataset[index]
        except IndexError as error:
            raise DataError(
                f"The dataset {name!r} says it has {len(dataset)} images, but has no "
                f"image {index}: `__len__` and `__getitem__` must agree."
            ) from error
        check_example(example, known, f"Image {index} of the dataset {name!r}")
    return dataset


def check_example(example: Any, known: set[int], which: str) -> None:
    """Tells what is wrong with one example.

    Args:
        example: anything that may be one; it is decoded and drawn.
        known: ids of the dataset's categories.
        which: what messages call it.

    Raises:
        DataError: says what was expected and what was received.
    """
    if not isinstance(example, Example):
        raise DataError(f"{which} must be an Example, received {_kind(example)}.")
    if isinstance(example.image_id, bool) or not isinstance(
        example.image_id, int | np.integer
    ):
        raise DataError(
            f"{which} needs a whole number as image_id, received {example.image_id!r}."
        )
    count = len(example.boxes) if isinstance(example.boxes, np.ndarray) else "N"
    expected: dict[str, tuple[tuple[Any, ...], str]] = {
        "boxes": ((count, 4), "float32"),
        "category_ids": ((count,), "int64"),
        "crowd": ((count,), "bool"),
        "areas": ((count,), "float32"),
        "negative_ids": ((None,), "int64"),
        "not_exhaustive_ids": ((None,), "int64"),
    }
    if example.roi_boxes is not None or example.roi_features is not None:
        regions = len(example.roi_boxes) if example.roi_boxes is not None else "R"
        expected["roi_boxes"] = ((regions, 4), "float32")
        if example.roi_features is not None:
            expected["roi_features"] = ((regions, None), "float32")
        if example.roi_scores is not None:
            expected["roi_scores"] = ((regions,), "float32")
    if example.annotated_ids is not None:
        expected["annotated_ids"] = ((None,), "int64")
    for name, (shape, dtype) in expected.items():
        _check_array(f"{which}: {name}", getattr(example, name), shape, dtype)
    unknown = sorted(set(example.category_ids.tolist()) - known)
    if unknown:
        raise DataError(
            f"{which} has an object of the category {unknown[0]}, which is none of "
            "the dataset's categories."
        )
    _check_boxes(f"{which}: boxes", example.boxes, example.size)
    example.picture.decode(example.size)
    if example.packed_masks is not None:
        shape = (len(example.boxes), *example.size)
        _check_array(f"{which}: masks", example.packed_masks(), shape, "bool")


def _check_categories(name: str, categories: Any) -> set[int]:
    if not isinstance(categories, Sequence) or not all(
        isinstance(category, Category) for category in categories
    ):
        raise DataError(
            f"The dataset {name!r} needs `categories`, a list of Category, received "
            f"{_kind(categories)}."
        )
    if not categories:
        raise DataError(f"The dataset {name!r} has no categories: give at least one.")
    for what in ("id", "name"):
        seen: set[Any] = set()
        for category in categories:
            value = getattr(category, what)
            if value in seen:
                raise DataError(
                    f"Two categories of the dataset {name!r} have the {what} "
                    f"{value!r}: give each its own."
                )
            seen.add(value)
    return {category.id for category in categories}


def _check_array(which: str, value: Any, shape: tuple[Any, ...], dtype: str) -> None:
    fits = (
        isinstance(value, np.ndarray)
        and value.dtype == dtype
        and value.ndim == len(shape)
        and all(
            want in (None, got) for want, got in zip(shape, value.shape, strict=True)
        )
    )
    if not fits:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        received = (
            f"{value.dtype} of shape {value.shape}"
            if isinstance(value, np.ndarray)
            else _kind(value)
        )
        raise DataError(
            f"{which} must be a NumPy array of {dtype} of shape ({wanted}), received "
            f"{received}."
        )


def _check_boxes(which: str, boxes: np.ndarray, size: tuple[int, int]) -> None:
    height, width = size
    limit = np.array([width, height, width, height], np.float32) + _SLACK
    good = np.isfinite(boxes).all(axis=1) & (boxes >= -_SLACK).all(axis=1)
    good &= (boxes <= limit).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if not good.all():
        raise DataError(
            f"{which} must be x1 y1 x2 y2 in pixels with x1 < x2 and y1 < y2 inside "
            f"{width} x {height} (width x height), received "
            f"{boxes[~good][0].tolist()}."
        )


def _spread(length: int, count: int) -> list[int]:
    return np.unique(
        np.linspace(0, length - 1, min(count, length)).astype(int)
    ).tolist()


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
