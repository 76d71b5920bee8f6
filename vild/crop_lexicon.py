"""What words mean to a teacher that looks at crops itself."""

from collections.abc import Sequence
from typing import Any

from vild.detector import Detector
from vild.errors import InputError
from vild.names import ClassName, check_classes
from vild.teachers import Teacher, fingerprint
from vild.teachers.fingerprints import Fingerprint, differ, show
from vild.vocabulary import Vocabulary
from vild.vocabulary_build import encode_words
from vild.vocabulary_checks import base_flags, check_dim, check_space


class CropLexicon:
    """What words mean to a teacher that looks at crops.

    Args:
        detector: whose classes are the default, and say what is base.
        teacher: encodes the words.
        text_branch: whether the detector's own vectors are compared too.

    Attributes:
        teacher: the teacher.

    Raises:
        InputError: if the text branch is in another space.
    """

    def __init__(self, detector: Detector, teacher: Teacher, text_branch: bool) -> None:
        self._detector, self.teacher = detector, teacher
        recorded, mark = detector.lexicon.recorded, fingerprint(teacher)
        same = teacher.dim == detector.own_vocabulary.dim
        apart = not same or differ(recorded, mark)
        if text_branch and apart:
            raise InputError(
                f"The detector was distilled from {show(recorded)}, the teacher is "
                f"{show(mark)}: a text branch and crops need one space, so take that "
                "teacher, or text_branch=False."
            )
        # Its own vectors are only of use where they are known to be the teacher's.
        known = recorded is not None and mark is not None and not apart
        self._by_detector = text_branch or known

    @property
    def marks(self) -> list[Fingerprint | None]:
        """Fingerprints of which words may have one."""
        mark = fingerprint(self.teacher)
        return [*self._detector.lexicon.marks, mark] if self._by_detector else [mark]

    def vocabulary(
        self,
        classes: Sequence[ClassName] | Vocabulary | None = None,
        base: Any = None,
        templates: Any = None,
    ) -> Vocabulary:
        """Words as asked -> a vocabulary; see `Detector.vocabulary`.

        Args:
            classes: as there.
            base: as there.
            templates: as there.

        Returns:
            A vocabulary with base flags.

        Raises:
            InputError: for words that cannot be used.
            TeacherError: if the teacher cannot encode them.
        """
        if self._by_detector:
            return self._detector.vocabulary(classes, base, templates)
        own = self._detector.own_vocabulary
        if isinstance(classes, Vocabulary):
            if templates is not None:
                raise InputError(
                    "templates are for words: a Vocabulary is encoded already, so "
                    "give them when it is built."
                )
            check_dim(classes, self.teacher.dim)
            check_space(classes, *self.marks)
            words = classes
        else:
            groups = own.synonyms if classes is None else check_classes(classes)
            words = Vocabulary(groups, encode_words(groups, self.teacher, templates))
            words.teacher = fingerprint(self.teacher)
        if base is None and words.base is not None:
            return words
        return words.with_base(base_flags(words, own) if base is None else base)
