"""A vocabulary: names and their rows in the teacher's space."""

import difflib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vild.errors import CheckpointError, InputError
from vild.files import replacing, writing
from vild.names import ClassName, check_classes, plain


class Vocabulary:
    """Names, and for each a vector that regions are compared with.

    Args:
        names: K names; a list in place of a name is a set of synonyms, of which
            the first is shown.
        embeddings: (K, D) rows in the teacher's space, any length above 0.
        base: (K,) bools, which classes the detector was trained on; True for
            all of them (what the released export computes); None: the detector
            decides by the names.

    Attributes:
        names: list of K strings.
        synonyms: list of K lists, each with its name first.
        embeddings: (K, D) float32 unit rows, read-only.
        base: (K,) bool or None.

    Raises:
        InputError: for no names, names that are empty, duplicate or no strings,
            arrays of another shape or rows without a direction.

    Example:
        >>> words = Vocabulary(["cat", ["sofa", "couch"]], np.eye(2, 512))
        >>> words.names
        ['cat', 'sofa']
    """

    def __init__(
        self,
        names: Sequence[ClassName],
        embeddings: Any,
        base: Any = None,
    ) -> None:
        self.synonyms = check_classes(names)
        self.names = [group[0] for group in self.synonyms]
        rows = _check_rows(embeddings, len(self.names))
        norms = np.linalg.norm(rows.astype("float64"), axis=1, keepdims=True)
        if not (norms > 1e-8).all():
            bad = int(np.argmin(norms))
            raise InputError(
                f"The embedding of {self.names[bad]!r} is all zeros: every class "
                "needs a direction in the teacher's space."
            )
        self.embeddings = (rows / norms).astype("float32")
        self.embeddings.flags.writeable = False
        self.base = _check_base(base, len(self.names))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:3]) + (", ..." if len(self) > 3 else "")
        return f"Vocabulary({len(self)} classes: {shown})"

    @property
    def dim(self) -> int:
        """Dimension of the teacher's space."""
        return self.embeddings.shape[1]

    def with_base(self, base: Any) -> "Vocabulary":
        """The same words with other base flags.

        Args:
            base: as for the constructor.

        Returns:
            A new vocabulary.
        """
        return self._derive(self.synonyms, self.embeddings, base)

    def _derive(self, synonyms: Any, embeddings: Any, base: Any) -> "Vocabulary":
        """A vocabulary out of parts that were checked before."""
        new = object.__new__(Vocabulary)
        new.synonyms = synonyms
        new.names = [group[0] for group in synonyms]
        new.embeddings = embeddings
        new.base = _check_base(base, len(new.names))
        return new

    def find(self, name: str) -> int | None:
        """The class of this name or synonym.

        Args:
            name: any spelling; see `plain`.

        Returns:
            Its row, or None. A class's own name goes before synonyms.

        Raises:
            InputError: if several classes have this synonym.
        """
        key = plain(name)
        own = self._index()[0].get(key)
        if own is not None:
            return own
        rows = self._index()[1].get(key, [])
        if len(rows) > 1:
            options = ", ".join(repr(self.names[row]) for row in rows)
            raise InputError(f"{name!r} may mean {options}: ask for one of these.")
        return rows[0] if rows else None

    def _index(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        if not hasattr(self, "_cached_index"):
            own = {plain(name): row for row, name in enumerate(self.names)}
            others: dict[str, list[int]] = {}
            for row, group in enumerate(self.synonyms):
                for key in {plain(name) for name in group}:
                    others.setdefault(key, []).append(row)
            self._cached_index = own, others
        return self._cached_index

    def missing(self, classes: Sequence[ClassName]) -> list[str]:
        """Those of the names that this vocabulary does not know.

        Args:
            classes: names or lists of synonyms.

        Returns:
            Names without a class here.
        """
        return [
            name
            for group in check_classes(classes)
            for name in group
            if self.find(name) is None
        ]

    def subset(self, classes: Sequence[ClassName]) -> "Vocabulary":
        """The vocabulary of some of its classes, named as asked.

        Args:
            classes: names or synonyms of classes here. A list of synonyms that
                names several classes gets the mean of their vectors.

        Returns:
            A new vocabulary in the order asked.

        Raises:
            InputError: for unknown names, with the nearest known ones.

        Example:
            >>> words = Vocabulary(["cat", "sofa"], np.eye(2, 512))
            >>> words.subset(["Sofa"]).names
            ['Sofa']
        """
        groups = check_classes(classes)
        unknown = self.missing(groups)
        if unknown:
            raise InputError(self._unknown(unknown))
        rows, base, asked = [], [], dict[tuple[int, ...], str]()
        for group in groups:
            rows_of = [self.find(name) for name in group]
            found = list(dict.fromkeys(row for row in rows_of if row is not None))
            mean = self.embeddings[found].mean(axis=0)
            rows.append(self.embeddings[found[0]] if len(found) == 1 else mean)
            base.append(None if self.base is None else self.base[found].any())
            first = asked.setdefault(tuple(found), group[0])
            if first != group[0]:
                warnings.warn(
                    f"{first!r} and {group[0]!r} are one class here, so what is found "
                    "is reported under both and shares its score: put them into one "
                    "list of synonyms.",
                    stacklevel=2,
                )
        return Vocabulary(groups, np.stack(rows), None if self.base is None else base)

    def _unknown(self, names: list[str]) -> str:
        """One sentence about names that are not here."""
        known = {plain(n): n for group in self.synonyms for n in group}
        near = difflib.get_close_matches(plain(names[0]), known, 3, 0.75)
        stem = plain(names[0])
        near += [key for key in known if key.startswith(f"{stem}(")]
        hint = ", ".join(dict.fromkeys(repr(known[key]) for key in near))
        listed = ", ".join(repr(name) for name in names[:5])
        listed += " and others" if len(names) > 5 else ""
        return (
            f"{listed}: not among the {len(self)} classes this detector knows by "
            "vectors of its own"
            + (f" (near: {hint})" if hint else "")
            + "; other words need a teacher's text encoder, or a vild.Vocabulary "
            "made from your own vectors."
        )

    def save(self, path: str | Path) -> None:
        """Writes an `.npz` file without pickles.

        Args:
            path: where to; replaced whole or not at all.
        """
        arrays = {
            "synonyms": np.array(json.dumps(self.synonyms, ensure_ascii=False)),
            "embeddings": self.embeddings,
        }
        if self.base is not None:
            arrays["base"] = self.base
        path = Path(path)
        with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Args:
            path: an `.npz` file.

        Returns:
            The vocabulary.

        Raises:
            CheckpointError: if the file is missing, damaged or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                synonyms = json.loads(str(arrays["synonyms"][()]))
                base = arrays.get("base")
                rows = arrays["embeddings"]
            words = cls(synonyms, rows, base)
        except FileNotFoundError:
            raise CheckpointError(f"There is no vocabulary file {path}.") from None
        except Exception as error:  # a zip file can be damaged in many ways
            raise CheckpointError(
                f"{path} is not a vocabulary file or is damaged ({error}): make it "
                "anew with Vocabulary.save."
            ) from error
        if np.allclose(words.embeddings, rows, atol=1e-6):
            # Unit rows already; normalising again would let them drift by a
            # rounding error at every save.
            words.embeddings = rows.astype("float32", copy=False)
            words.embeddings.flags.writeable = False
        return words


def base_flags(words: Vocabulary, trained: Vocabulary) -> np.ndarray:
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
    own = {plain(name): flag for name, flag in zip(trained.names, base, strict=True)}
    any_name = {
        plain(name)
        for group, flag in zip(trained.synonyms, base, strict=True)
        for name in group
        if flag
    }

    def is_base(name: str) -> bool:
        key = plain(name)
        return own.get(key, key in any_name)

    return np.array([any(map(is_base, group)) for group in words.synonyms])


def check_dim(words: Vocabulary, dim: int) -> None:
    """Refuses words of another space.

    Args:
        words: a vocabulary.
        dim: dimension of the regions' vectors.

    Raises:
        InputError: if the dimensions differ.
    """
    if words.dim != dim:
        raise InputError(
            f"The vocabulary's vectors have {words.dim} dimensions, the detector's "
            f"regions {dim}: they come from different teachers."
        )


def _check_rows(embeddings: Any, count: int) -> np.ndarray:
    try:
        rows = np.asarray(embeddings)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Embeddings must be a ({count}, D) array of numbers ({error})."
        ) from None
    if rows.dtype.kind not in "fiu":
        raise InputError(
            f"Embeddings must be real numbers, received an array of {rows.dtype}."
        )
    if rows.ndim != 2 or rows.shape[0] != count or rows.shape[1] == 0:
        turned = rows.ndim == 2 and rows.shape[1] == count
        raise InputError(
            f"Embeddings must have shape ({count}, D), a row per name; received "
            f"{rows.shape}" + (": transpose them." if turned else ".")
        )
    if not np.isfinite(rows).all():
        bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise InputError(f"The embedding at row {bad} holds NaN or infinity.")
    return rows


def _check_base(base: Any, count: int) -> np.ndarray | None:
    if base is None:
        return None
    if isinstance(base, bool | np.bool_) and base:
        return np.ones(count, bool)
    flags = np.array(base)  # a copy: the caller's array may change
    if flags.dtype.kind in "iu" and np.isin(flags, (0, 1)).all():
        flags = flags.astype(bool)
    if flags.shape != (count,) or flags.dtype != bool:
        raise InputError(
            f"base must be True or an array of {count} bools, one per class; "
            f"received {flags.dtype} of shape {flags.shape}."
        )
    flags.flags.writeable = False
    return flags
