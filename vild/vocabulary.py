"""A vocabulary: names and their rows in the teacher's space."""

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vild.errors import InputError
from vild.name_index import NameIndex, listed
from vild.names import ClassName, check_classes, plain
from vild.teachers import Teacher, fingerprint, get
from vild.teachers.checks import check_attributes
from vild.teachers.fingerprints import Fingerprint, common
from vild.vocabulary_arrays import base_array, unit_rows
from vild.vocabulary_build import encode_words
from vild.vocabulary_checks import check_dim, check_space
from vild.vocabulary_io import Stored, damaged, read_vocabulary, write_vocabulary


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
        teacher: fingerprint of the teacher that made the vectors; None if they
            came as an array, and then any detector of that dimension takes them.

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
        self.embeddings = unit_rows(embeddings, self.names)
        self.base = base_array(base, len(self.names))
        self.teacher: Fingerprint | None = None

    @classmethod
    def build(
        cls,
        classes: Sequence[ClassName],
        teacher: str | Teacher,
        templates: Any = None,
        base: Any = None,
        *,
        cache: bool = True,
    ) -> "Vocabulary":
        """Encodes words by a teacher.

        Args:
            classes: names or lists of synonyms.
            teacher: a teacher or its specification; see `vild.teachers.get`.
            templates: the name of a set of prompts or a list; see
                `vild.prompts.read_templates`. None for the teacher's own, by
                default `vild`.
            base: as for the constructor.
            cache: look vectors up on disk, and keep them there.

        Returns:
            A vocabulary with the teacher's fingerprint.

        Raises:
            InputError: for words or templates that cannot be used.
            TeacherError: for an unknown teacher or one that does not work.

        Example:
            >>> words = Vocabulary.build(["red star", ["disc", "circle"]], "shapes")
            >>> words.teacher["name"]
            'shapes'
        """
        groups = check_classes(classes)
        base_array(base, len(groups))  # before a minute of encoding, not after
        named = isinstance(teacher, str)
        found = get(teacher) if named else check_attributes(teacher)
        # An object is tried only if something is left to encode.
        rows = encode_words(
            groups,
            found,
            templates,
            cache=cache,
            checked=named,
            spec=teacher if isinstance(teacher, str) else None,
        )
        words = cls(groups, rows, base)
        words.teacher = fingerprint(found)
        return words

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:3]) + (", ..." if len(self) > 3 else "")
        return f"Vocabulary({len(self)} classes: {shown})"

    def __eq__(self, other: object) -> bool:
        """Same names, synonyms, vectors, base flags and teacher."""
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (
            self.synonyms == other.synonyms
            and self.teacher == other.teacher
            and _same(self.base, other.base)
            and np.array_equal(self.embeddings, other.embeddings)
        )

    __hash__ = None  # type: ignore[assignment]  # it is what it holds, and that is big

    @property
    def dim(self) -> int:
        """Dimension of the teacher's space."""
        return self.embeddings.shape[1]

    def with_base(self, base: Any) -> "Vocabulary":
        """The same words with other base flags.

        Args:
            base: as for the constructor.

        Returns:
            A new vocabulary; the vectors are shared.
        """
        new = object.__new__(Vocabulary)
        new.__dict__.update(self.__dict__)
        new.base = base_array(base, len(self))
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
        return self._index.find(name)

    @functools.cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self.synonyms)

    @functools.cached_property
    def keys(self) -> list[list[str]]:
        """The names as they are compared; see `plain`."""
        return [[plain(name) for name in group] for group in self.synonyms]

    def missing(self, classes: Sequence[ClassName]) -> list[str]:
        """Those of the names that this vocabulary does not know.

        Args:
            classes: names or lists of synonyms.

        Returns:
            Names without a class here.
        """
        names = [name for group in check_classes(classes) for name in group]
        return [name for name in names if self.find(name) is None]

    def meant(self, names: Sequence[str]) -> list[int]:
        """All classes here that some names may stand for.

        Args:
            names: of one thing, in any spelling.

        Returns:
            Their rows; none for names that are not here.
        """
        return self._index.meant(names)

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
            raise InputError(self.unknown(unknown))
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
        new = Vocabulary(groups, np.stack(rows), None if self.base is None else base)
        new.teacher = self.teacher
        return new

    def merge(self, other: "Vocabulary") -> "Vocabulary":
        """The classes of two vocabularies.

        Args:
            other: of the same space. Classes of it whose own name is the own name
                of a class here are left out; synonyms are not compared.

        Returns:
            A new vocabulary, this one's classes first.

        Raises:
            InputError: if the spaces are known to differ, or only one of the two
                has base flags.

        Example:
            >>> words = Vocabulary(["cat"], np.eye(1, 8))
            >>> words.merge(Vocabulary(["dog", "Cat"], np.eye(2, 8))).names
            ['cat', 'dog']
        """
        if not isinstance(other, Vocabulary):
            raise InputError(
                "merge takes another Vocabulary, received "
                f"{type(other).__name__}: build one from the words first."
            )
        check_dim(other, self.dim)
        check_space(other, self.teacher)
        if (self.base is None) != (other.base is None):
            raise InputError(
                "Only one of the two vocabularies has base flags: give them to both "
                "or to none by with_base."
            )
        own = {keys[0] for keys in self.keys}
        new = [row for row, keys in enumerate(other.keys) if keys[0] not in own]
        words = Vocabulary(
            self.synonyms + [other.synonyms[row] for row in new],
            np.concatenate([self.embeddings, other.embeddings[new]]),
            None
            if self.base is None or other.base is None
            else np.concatenate([self.base, other.base[new]]),
        )
        words.teacher = common(self.teacher, other.teacher)
        return words

    def unknown(self, names: Sequence[str]) -> str:
        """One sentence about names that are not here.

        Args:
            names: at least one.

        Returns:
            What they are, and the nearest names that are here.
        """
        near = self._index.near(names[0])
        return (
            f"{listed(names)}: not among the {len(self)} classes this detector knows "
            "by vectors of its own"
            + (f" (near: {listed(near)})" if near else "")
            + "; other words need a teacher's text encoder, or a vild.Vocabulary "
            "made from your own vectors."
        )

    def save(self, path: str | Path) -> None:
        """Writes an `.npz` file without pickles.

        Args:
            path: where to; replaced whole or not at all.
        """
        stored = Stored(self.synonyms, self.embeddings, self.base, self.teacher)
        write_vocabulary(Path(path), stored)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Args:
            path: an `.npz` file.

        Returns:
            The vocabulary, equal to what was saved.

        Raises:
            CheckpointError: if the file is missing, damaged or something else.
        """
        stored = read_vocabulary(Path(path))
        try:
            words = cls(stored.synonyms, stored.embeddings, stored.base)
        except InputError as error:
            raise damaged(Path(path), error) from error
        words.teacher = stored.teacher
        return words


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether two arrays, either of which may be absent, are equal."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
