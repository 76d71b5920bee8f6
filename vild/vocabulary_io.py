"""The file of a vocabulary: `.npz`, without pickles.

synonyms    JSON text: a list of names per class, the shown one first
embeddings  (K, D) float32 unit rows
base        (K,) bool, which are base classes; may be absent
teacher     JSON text: the fingerprint of the teacher; may be absent
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vild.errors import CheckpointError
from vild.files import replacing, writing


@dataclass(frozen=True)
class Stored:
    """What is in the file of a vocabulary.

    Attributes:
        synonyms: list of K lists of names.
        embeddings: (K, D) rows.
        base: (K,) bool or None.
        teacher: fingerprint or None.
    """

    synonyms: list[list[str]]
    embeddings: np.ndarray
    base: np.ndarray | None
    teacher: dict[str, Any] | None


def write_vocabulary(path: Path, stored: Stored) -> None:
    """Writes the file.

    Args:
        path: where to; replaced whole or not at all.
        stored: what to write.

    Raises:
        InputError: if the place cannot be written.
    """
    arrays: dict[str, Any] = {
        "synonyms": _text(stored.synonyms),
        "embeddings": stored.embeddings,
    }
    if stored.base is not None:
        arrays["base"] = stored.base
    if stored.teacher is not None:
        arrays["teacher"] = _text(stored.teacher)
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_vocabulary(path: Path) -> Stored:
    """Reads the file.

    Args:
        path: an `.npz` file.

    Returns:
        What is in it, not yet checked.

    Raises:
        CheckpointError: if the file is missing, damaged, something else, or
            holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Stored(
                synonyms=_json(arrays, "synonyms", lambda v: isinstance(v, list)),
                embeddings=arrays["embeddings"],
                base=arrays.get("base"),
                teacher=_json(arrays, "teacher", is_fingerprint)
                if "teacher" in arrays
                else None,
            )
    except FileNotFoundError:
        raise CheckpointError(f"There is no vocabulary file {path}.") from None
    except Exception as error:  # a zip file can be damaged in many ways
        raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> CheckpointError:
    """The error for a file that cannot be used.

    Args:
        path: the file.
        reason: what is wrong with it.

    Returns:
        An error to raise.
    """
    return CheckpointError(
        f"{path} is not a vocabulary file or is damaged ({reason}): make it anew "
        "with Vocabulary.save."
    )


def is_fingerprint(value: Any) -> bool:
    """Whether this may be the fingerprint of a teacher.

    Args:
        value: anything.

    Returns:
        True for a dict of strings, finite numbers and bools by name.
    """
    return isinstance(value, dict) and all(
        isinstance(key, str)
        and isinstance(fact, str | int | float)
        and (isinstance(fact, str) or math.isfinite(fact))
        for key, fact in value.items()
    )


def _json(arrays: Any, name: str, good: Callable[[Any], bool]) -> Any:
    value = json.loads(str(arrays[name][()]))
    if not good(value):
        raise ValueError(f"its {name} are not what they should be")
    return value


def _text(value: Any) -> np.ndarray:
    return np.array(json.dumps(value, ensure_ascii=False))
