"""Vectors out of a file in place of a text encoder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from vild.data.lvis import lvis_categories
from vild.errors import CheckpointError, InputError, TeacherError
from vild.name_index import NameIndex, listed
from vild.names import check_classes
from vild.prompts import clean
from vild.teachers.fingerprints import Fingerprint
from vild.vocabulary_io import Stored, read_vocabulary


class Precomputed:
    """A teacher that looks names up in a file; it has no image encoder.

    Args:
        path: one of

            - a saved `vild.Vocabulary` (`.npz`),
            - an `.npz` file with `names` (strings) and `embeddings`,
            - an `.npy` file, its names in a file of the same name that ends in
              `.txt` (a class a line, synonyms separated by `|`) or `.json` (a
              list); without one, a matrix of 1203 classes is taken for LVIS v1,
              as the released `.npy` of 512 x 1203 is.

            The matrix has a row per class, or a column per class.
        names: the classes, in place of those in files; for arrays of your own.

    Attributes:
        templates: the name itself, which is what is looked up.
        fingerprint: of the teacher that made a saved vocabulary; else None, and
            the vectors are taken on trust.

    Raises:
        CheckpointError: if a file is missing, damaged or something else.

    Example:
        >>> vild.Vocabulary(["cat", "dog"], np.eye(2, 8)).save("animals.npz")
        >>> teacher = vild.teachers.get("precomputed:animals.npz")
        >>> teacher.encode_text(["Dog"])[0].argmax()
        np.int64(1)
    """

    name = "precomputed"
    image_size = 1  # nobody looks at images here
    templates = "name"
    cacheable = False  # it is a file already

    def __init__(self, path: str | Path, names: Sequence[Any] | None = None) -> None:
        self._path = Path(path).expanduser()
        self.spec = f"precomputed:{path}"
        stored = _read(self._path, names)
        try:
            groups = check_classes(stored.synonyms)
        except InputError as error:
            raise CheckpointError(f"{self._path}: {error}") from error
        rows = _turned(stored.embeddings, len(groups), self._path)
        self._rows = _unit(rows, groups, self._path)
        # Prompts show a name cleaned: it must be found so too.
        self._index = NameIndex(groups)
        self._cleaned = NameIndex([[clean(n) for n in group] for group in groups])
        self.dim = self._rows.shape[1]
        self.fingerprint: Fingerprint | None = stored.teacher

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Looks names up.

        Args:
            texts: N names or synonyms, in any spelling.

        Returns:
            (N, D) float32 unit rows.

        Raises:
            TeacherError: if the file does not hold a name.
        """
        rows = [self._find(text) for text in texts]
        unknown = [t for t, row in zip(texts, rows, strict=True) if row is None]
        if unknown:
            near = self._index.near(unknown[0])
            raise TeacherError(
                f"{listed(unknown)}: not among the names in {self._path.name}"
                + (f" (near: {listed(near)})" if near else "")
                + "; it holds vectors of fixed names and cannot encode others."
            )
        return self._rows[np.array(rows, int)]

    def encode_image(self, images: np.ndarray) -> NoReturn:
        """Not possible.

        Args:
            images: any.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{self._path.name} holds vectors of names only; use a teacher with an "
            "image encoder, e.g. open_clip"
        )

    def _find(self, text: str) -> int | None:
        row = self._index.find(text)
        return self._cleaned.find(text) if row is None else row


def _read(path: Path, names: Sequence[Any] | None) -> Stored:
    if path.suffix == ".npz" and names is None and _holds(path, "synonyms"):
        return read_vocabulary(path)
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            matrix = found
        else:
            with found:
                matrix = found["embeddings"]
                if names is None:
                    names = found["names"].tolist()
    except FileNotFoundError:
        raise CheckpointError(f"There is no file {path}.") from None
    except Exception as error:  # a file can be damaged in many ways
        raise CheckpointError(
            f"{path} cannot be read ({error}): expected an .npy matrix or an .npz file "
            "with 'names' and 'embeddings', without pickles."
        ) from error
    if names is None:
        names = _names_beside(path, matrix)
    if not isinstance(names, list | tuple):
        raise CheckpointError(
            f"{path} needs a list of names, received {type(names).__name__}."
        )
    return Stored([[n] if isinstance(n, str) else n for n in names], matrix, None, None)


def _holds(path: Path, name: str) -> bool:
    """Whether an `.npz` file has this array; False for what cannot be opened."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return name in arrays.files
    except Exception:  # told by who reads it
        return False


def _names_beside(path: Path, matrix: np.ndarray) -> list[Any]:
    text, listing = path.with_suffix(".txt"), path.with_suffix(".json")
    try:
        if text.is_file():
            lines = text.read_text("utf-8-sig").splitlines()
            return [[n.strip() for n in x.split("|")] for x in lines if x.strip()]
        if listing.is_file():
            names = json.loads(listing.read_text("utf-8"))
            if not isinstance(names, list):
                raise ValueError("it is no list")
            return names
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The names beside {path} cannot be read: {error}."
        ) from error
    categories = lvis_categories()
    if len(categories) in matrix.shape:
        return [[c.name, *(s for s in c.synonyms if s != c.name)] for c in categories]
    raise CheckpointError(
        f"{path} holds no names: put them into {text.name}, a class a line, or into "
        f"{listing.name}, a list."
    )


def _turned(matrix: np.ndarray, count: int, path: Path) -> np.ndarray:
    """A row per class."""
    if matrix.ndim == 2 and matrix.dtype.kind in "fiu":
        if matrix.shape[0] == count:
            return matrix
        if matrix.shape[1] == count:
            return matrix.T
    raise CheckpointError(
        f"{path} has {count} names, so the matrix must have {count} rows or columns of "
        f"numbers; it has shape {matrix.shape} and type {matrix.dtype}."
    )


def _unit(rows: np.ndarray, groups: list[list[str]], path: Path) -> np.ndarray:
    rows = np.asarray(rows, "float32")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    good = np.isfinite(norms[:, 0]) & (norms[:, 0] > 1e-8)
    if not good.all():
        name = groups[int(np.argmin(good))][0]
        raise CheckpointError(f"{path}: the vector of {name!r} has no direction.")
    return np.ascontiguousarray(rows / norms)
