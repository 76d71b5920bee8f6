"""Finding datasets: entry points of installed packages, by name."""

from typing import Any

from vild.data.dataset import Dataset, check_dataset
from vild.errors import DataError
from vild.plugins import Group

_GROUP = Group("vild.datasets", "dataset", DataError)


def list() -> dict[str, str]:
    """The kinds of dataset that are installed.

    Returns:
        Name -> the package that brings it, sorted by name.

    Example:
        >>> list()["coco"]
        'vild'
    """
    return _GROUP.packages()


def get(spec: str | Dataset, **settings: Any) -> Dataset:
    """A dataset by its specification.

    Args:
        spec: `name` or `name:argument`, e.g. `lvis:path/to/lvis_v1_val.json`,
            `coco:folder` or `tfrecord:folder/val-*`, see `vild.data.opening`; or a
            dataset, which is then only checked.
        settings: of that kind of dataset, e.g. `missing="skip"` for coco and lvis.

    Returns:
        The dataset. Of those of other packages a few examples are tried.

    Raises:
        DataError: for an unknown name, a package that cannot be loaded, settings
            that do not fit, or an object that is no dataset.

    Example:
        >>> get("coco:no/such/file.json")
        Traceback (most recent call last):
        vild.errors.DataError: The annotations 'no/such/file.json' cannot be read ...
    """
    dataset = _GROUP.make(spec, **settings) if isinstance(spec, str) else spec
    own = type(dataset).__module__.startswith("vild.")
    return check_dataset(dataset, examples=0) if own else check_dataset(dataset)
