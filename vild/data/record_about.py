"""What lies beside TFRecords: which dataset they are, and its categories."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from vild.data.categories import Category
from vild.data.dataset import Dataset
from vild.errors import DataError
from vild.files import replacing, writing


@dataclass(frozen=True)
class About:
    """What is said of a split in the TFRecords beside it.

    Attributes:
        dataset: its name.
        fingerprint: changes with the dataset's content; None if it has none.
        examples: how many images there are.
        shards: how many files there are.
        categories: what the labels mean.
    """

    dataset: str
    fingerprint: str | None
    examples: int
    shards: int
    categories: tuple[Category, ...]

    @classmethod
    def of(cls, dataset: Dataset, shards: int) -> "About":
        """What to say of a dataset.

        Args:
            dataset: what is to be written.
            shards: into how many files.

        Returns:
            It.
        """
        fingerprint = getattr(dataset, "fingerprint", None)
        return cls(
            dataset.name,
            None if fingerprint is None else str(fingerprint),
            len(dataset),
            shards,
            tuple(dataset.categories),
        )


def about_path(folder: Path, split: str) -> Path:
    """Where it lies.

    Args:
        folder: of the TFRecords.
        split: what their names begin with.

    Returns:
        The path.

    Example:
        >>> about_path(Path("data"), "val").name
        'val.json'
    """
    return folder / f"{split}.json"


def write_about(path: Path, about: About) -> None:
    """Writes it.

    Args:
        path: where to.
        about: what to.

    Raises:
        InputError: if it cannot be written.
    """
    with writing(path), replacing(path) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(about)), "utf-8")


def read_about(folder: Path, split: str) -> About | None:
    """Reads it.

    Args:
        folder: of the TFRecords.
        split: what their names begin with.

    Returns:
        It; None if it is not there, as beside the released files.

    Raises:
        DataError: if it cannot be understood.
    """
    path = about_path(folder, split)
    try:
        content = json.loads(path.read_text("utf-8"))
        categories = tuple(
            Category(**{**category, "synonyms": tuple(category["synonyms"])})
            for category in content["categories"]
        )
        return About(**{**content, "categories": categories})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"Expected {str(path)!r} to say what the TFRecords beside it hold, but "
            f"reading it failed with {type(error).__name__}: {error}; move it away, or "
            "write the TFRecords again."
        ) from error
