"""Which words a detector may be asked with, and which of them count as base."""

from typing import TYPE_CHECKING

import numpy as np

from vild.errors import InputError
from vild.teachers.fingerprints import Fingerprint, differ, show

if TYPE_CHECKING:
    from vild.vocabulary import Vocabulary


def base_flags(words: "Vocabulary", trained: "Vocabulary") -> np.ndarray:
    """Which words are base classes of a detector, by name.

    Args:
        words: the vocabulary asked for.
        trained: the classes the detector knows, with base flags.

    Returns:
        (K,) bool: True where a name or synonym, spelling aside, is that of a
        base class. A novel class's own name is novel, even where a base class
        has it for a synonym.
    """
    base = [True] * len(trained) if trained.base is None else trained.base.tolist()
    flag_of: dict[str, bool] = {}
    for keys, flag in zip(trained.keys, base, strict=True):
        if flag:
            flag_of.update(dict.fromkeys(keys, True))
    own = {keys[0]: flag for keys, flag in zip(trained.keys, base, strict=True)}
    flag_of.update(own)
    return np.array([any(flag_of.get(k, False) for k in keys) for keys in words.keys])


def check_dim(words: "Vocabulary", dim: int) -> None:
    """Refuses words of another space, as far as its dimension tells.

    Args:
        words: a vocabulary.
        dim: dimension of what they are compared with.

    Raises:
        InputError: if the dimensions differ.
    """
    if words.dim != dim:
        raise InputError(
            f"The vocabulary's vectors have {words.dim} dimensions, the detector's "
            f"regions {dim}: they come from different teachers."
        )


def check_space(words: "Vocabulary", *marks: Fingerprint | None) -> None:
    """Refuses words of a teacher that is known to be another one.

    Args:
        words: a vocabulary.
        *marks: fingerprints; it is enough that one may be the words' own.

    Raises:
        InputError: if the words' fingerprint differs from all of them.
    """
    if all(differ(words.teacher, mark) for mark in marks):
        raise InputError(
            f"The words were encoded by {show(words.teacher)}, expected "
            f"{show(marks[0])}: vectors of two teachers cannot be compared; build the "
            "vocabulary with that one."
        )
