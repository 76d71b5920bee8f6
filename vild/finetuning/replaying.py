"""Old images among new ones, so that what was learned is rehearsed."""

import math

import numpy as np

from vild.data.dataset import Dataset
from vild.data.joined import Joined
from vild.data.picked import Picked
from vild.errors import InputError

# A stream of chance of its own.
_CHOICE = 5


def check_replay(share: float, images: int) -> None:
    """Refuses numbers that make no sense.

    Args:
        share: of the images that are shown, which are old ones.
        images: how many old images there are at most.

    Raises:
        InputError: for a share that is not between 0 and 1, or no images.
    """
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise InputError(
            "The share of replayed images must be between 0 and 1, as 0.5 for every "
            f"second one; received {share!r}."
        )
    if type(images) is not int or images < 1:
        raise InputError(
            "The number of replayed images must be a whole number above 0, received "
            f"{images!r}."
        )


def choose(length: int, images: int, seed: int) -> np.ndarray:
    """Which old images are replayed.

    Args:
        length: how many there are.
        images: how many are wanted at most.
        seed: of the choice.

    Returns:
        (N,) int64, ascending.

    Example:
        >>> choose(5, 9, 0).tolist()
        [0, 1, 2, 3, 4]
    """
    order = np.random.default_rng([seed, _CHOICE]).permutation(length)
    return np.sort(order[:images]).astype(np.int64)


def mixed(joined: Joined, new: int, share: float) -> Picked:
    """New and old images in such numbers that an epoch has the share of old ones.

    Every image is there at least once; those of which there are too few are repeated,
    all about equally often.

    Args:
        joined: the new images, then the old ones.
        new: how many of them are new.
        share: of the old ones.

    Returns:
        The images of an epoch.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> both = Joined([DrawnObjects("val:2"), DrawnObjects("train:6")])
        >>> mixed(both, 2, 0.5).indexes.tolist()
        [0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7]
    """
    old = len(joined) - new
    shown_new = max(new, math.ceil(old * (1 - share) / share))
    shown_old = max(old, round(shown_new * share / (1 - share)))
    indexes = [np.arange(shown_new) % new, new + np.arange(shown_old) % old]
    return Picked(joined, np.concatenate(indexes))


def left_over(dataset: Dataset, chosen: np.ndarray, images: int, seed: int) -> Picked:
    """Old images that are not replayed, to measure on.

    Args:
        dataset: the old one.
        chosen: what is replayed.
        images: how many are wanted at most.
        seed: of the choice.

    Returns:
        Some of the others; none if all are replayed.
    """
    rest = np.setdiff1d(np.arange(len(dataset)), chosen)
    return Picked(dataset, rest[choose(len(rest), images, seed)])
