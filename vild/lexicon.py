"""What a detector knows of words: vectors of its own, and a teacher for all others."""

import functools
import math
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from vild.errors import InputError, TeacherError
from vild.name_index import listed
from vild.names import ClassName, check_classes
from vild.teachers import Teacher, fingerprint, get
from vild.teachers.fingerprints import Fingerprint, common, differ, show
from vild.vocabulary import Vocabulary
from vild.vocabulary_build import encode_words
from vild.vocabulary_checks import base_flags, check_dim, check_space

_NEAR = 0.02  # share of the own classes that a strange word may mean


class Lexicon:
    """Words -> a vocabulary with base flags.

    Args:
        own: the classes the detector knows by vectors of its own, with flags.
        teacher: a teacher or its specification; it is loaded when first needed.
            None: only own names can be asked.
        recorded: fingerprint of the teacher the detector was distilled from;
            None if that is not known.

    Attributes:
        own: the vocabulary.
        spec: specification, or name, of the teacher; None without one.
        recorded: fingerprint, or None, of the teacher it was distilled from.
        recorded_spec: specification of that one; `spec` unless it was replaced.

    Raises:
        InputError: if the teacher's space has another dimension.
    """

    def __init__(
        self,
        own: Vocabulary,
        teacher: str | Teacher | None = None,
        recorded: Fingerprint | None = None,
    ) -> None:
        self.own = own
        self.spec = _spec(teacher)
        self.recorded_spec = self.spec
        self.recorded = own.teacher if recorded is None else recorded
        self._given = teacher
        self._replaced = False
        self._flagged: tuple[weakref.ref[Vocabulary], np.ndarray] | None = None
        if teacher is not None and not isinstance(teacher, str):
            mark = fingerprint(self.teacher)
            self.recorded = self.recorded or mark

    def replaced(self, teacher: Teacher, spec: str | None = None) -> "Lexicon":
        """The same words with another teacher.

        Args:
            teacher: any.
            spec: the specification it was made from, if it was.

        Returns:
            A new lexicon, which has the recorded fingerprint still. There is a
            warning, since nobody can tell whether the spaces match, unless it is
            the recorded teacher.

        Raises:
            InputError: if the teacher's space has another dimension.
            TeacherError: if the teacher does not work.
        """
        new = Lexicon(self.own, None, self.recorded)
        new.spec = spec or _spec(teacher)
        new.recorded_spec = self.recorded_spec or new.spec
        new._given, new._replaced = teacher, True
        mark = fingerprint(new.teacher)
        same = None not in (mark, self.recorded) and not differ(mark, self.recorded)
        # The same specification may stand for another file by now.
        if differ(mark, self.recorded) or not (same or new.spec == self.spec):
            before = show(self.recorded) if self.recorded else self.spec
            warnings.warn(
                f"The teacher {new.spec!r} takes the place of "
                f"{before or 'an unknown one'}: the two spaces must match, or what is "
                "found means nothing.",
                stacklevel=3,
            )
        return new

    @functools.cached_property
    def teacher(self) -> Teacher:
        """The teacher, loaded.

        Raises:
            TeacherError: if there is none or it does not work.
            InputError: if its space is another one.
        """
        if self._given is None:
            raise TeacherError(
                "This detector has no teacher: name one by teacher=, e.g. "
                "load_pretrained(..., teacher='open_clip:ViT-B-32/openai')."
            )
        teacher = get(self._given)
        if teacher.dim != self.own.dim:
            raise InputError(
                f"The teacher {self.spec!r} has {teacher.dim} dimensions, the "
                f"detector's regions {self.own.dim}: it was distilled from another."
            )
        mark = fingerprint(teacher)
        if not self._replaced and differ(self.recorded, mark):
            raise InputError(
                f"The teacher {self.spec!r} is {show(mark)}, but the detector was "
                f"distilled from {show(self.recorded)}: to use it all the same, pass "
                "teacher= to load_pretrained."
            )
        if not self._replaced and self.recorded is None:
            self.recorded = mark
        return teacher

    @property
    def marks(self) -> list[Fingerprint | None]:
        """Fingerprints of which words may have one.

        A teacher that took the place of another vouches for both spaces.
        """
        new = [fingerprint(self.teacher)] if self._replaced else []
        return [*new, self.recorded]

    def vocabulary(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        base: Any = None,
        templates: Any = None,
    ) -> Vocabulary:
        """Words as asked -> a vocabulary; see `Detector.vocabulary`.

        Args:
            classes: names, lists of synonyms, a vocabulary, or None for all own
                classes.
            base: (K,) bools or True; None: by name.
            templates: prompts; with them, the teacher encodes own names too.

        Returns:
            A vocabulary with base flags.

        Raises:
            InputError: for words that cannot be used.
            TeacherError: if they need a teacher that does not work.
        """
        if isinstance(classes, Vocabulary):
            if templates is not None:
                raise InputError(
                    "templates are for words: a Vocabulary is encoded already, so "
                    "give them when it is built."
                )
            check_dim(classes, self.own.dim)
            check_space(classes, *self.marks)
            words = classes
        elif templates is not None:
            groups = self.own.synonyms if classes is None else check_classes(classes)
            words = self._encode(groups, templates)
        else:
            words = self.own if classes is None else self._look_up(classes)
        if base is not None:
            return words.with_base(base)
        return words if words.base is not None else words.with_base(self._flags(words))

    def rivals(self, words: Vocabulary) -> np.ndarray:
        """Own classes that compete with words that were asked.

        All but those that a word may mean: if it is the name of an own class or a
        synonym, that class; if not, the few whose vectors are nearest to its own. "Dog"
        competes with "cat", but neither does with "pet".

        Args:
            words: asked, in this space.

        Returns:
            (R, D) float32 rows of own classes, fewer than there are.

        Source: ours; the release lets only the asked words compete.
        """
        own = self.own
        known = [own.meant(group) for group in words.synonyms]
        silent = np.zeros(len(own), bool)
        silent[[row for rows in known for row in rows]] = True
        strange = [row for row, rows in enumerate(known) if not rows]
        nearness = words.embeddings[strange] @ own.embeddings.T
        count = math.ceil(_NEAR * len(own))
        silent[np.argpartition(-nearness, count - 1, axis=1)[:, :count]] = True
        return own.embeddings[~silent]

    def _look_up(self, classes: Sequence[ClassName]) -> Vocabulary:
        """Own vectors for groups of own names, the teacher's for all others."""
        groups = check_classes(classes)
        strange = [bool(self.own.missing([group])) for group in groups]
        if not any(strange):
            return self.own.subset(groups)
        if self._given is None:
            raise InputError(self.own.unknown(self.own.missing(groups)))
        new = self._encode([g for g, odd in zip(groups, strange, strict=True) if odd])
        if all(strange):
            return new
        old = self.own.subset(
            [g for g, odd in zip(groups, strange, strict=True) if not odd]
        )
        rows = np.empty((len(groups), self.own.dim), "float32")
        rows[strange] = new.embeddings
        rows[np.logical_not(strange)] = old.embeddings
        words = Vocabulary(groups, rows)
        words.teacher = common(old.teacher, new.teacher)
        return words

    def _encode(
        self, groups: Sequence[Sequence[str]], templates: Any = None
    ) -> Vocabulary:
        if self._given is None:
            raise InputError(
                "templates need a teacher's text encoder: this detector only knows "
                "words by vectors of its own."
            )
        try:
            teacher = self.teacher
            rows = encode_words(groups, teacher, templates, spec=self.spec)
        except TeacherError as error:
            names = [name for group in groups for name in group]
            raise TeacherError(
                f"{listed(names)}: these words need the teacher {self.spec!r}, which "
                f"cannot be used. {error}"
            ) from error
        words = Vocabulary(groups, rows)
        words.teacher = fingerprint(teacher)
        return words

    def _flags(self, words: Vocabulary) -> np.ndarray:
        """`base_flags`, kept for the words asked last: a million names take long."""
        if self._flagged is None or self._flagged[0]() is not words:
            self._flagged = weakref.ref(words), base_flags(words, self.own)
        return self._flagged[1]


def _spec(teacher: str | Teacher | None) -> str | None:
    """What a teacher is called where it is recorded."""
    if teacher is None or isinstance(teacher, str):
        return teacher
    spec = getattr(teacher, "spec", None)
    return spec if isinstance(spec, str) else teacher.name
