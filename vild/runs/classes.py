"""What the objects of a dataset are called while a detector learns them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.data.categories import Category
from vild.data.dataset import Dataset
from vild.errors import InputError
from vild.recipes import Recipe
from vild.teachers import Teacher
from vild.vocabulary import Vocabulary

# Standard deviation of learned vectors at the start: their length does not matter.
_SPREAD = 1.0


@dataclass(frozen=True, eq=False)
class TrainingClasses:
    """Classes as a trainer needs them.

    Attributes:
        labels: id of a category -> its class, from 1; objects of others are left out.
        rows: (K, D) float32, the vectors of the classes at the start.
        base: (K,) bool, which of them are trained; None: all.
        vocabulary: what the finished detector knows, with base flags, if its vectors
            are those of a teacher; None if they are learned.
        names: K names or lists of synonyms.
    """

    labels: dict[int, int]
    rows: np.ndarray
    base: np.ndarray | None
    vocabulary: Vocabulary | None
    names: list[Any]

    def finished(self, rows: np.ndarray) -> Vocabulary:
        """The detector's vocabulary at the end.

        Args:
            rows: (K, D) float32 of the learner.

        Returns:
            The teacher's vectors, or those that were learned.
        """
        if self.vocabulary is not None:
            return self.vocabulary
        return Vocabulary(self.names, rows, base=True)


def training_classes(
    dataset: Dataset,
    recipe: Recipe,
    teacher: Teacher | None,
    known: Vocabulary | None = None,
) -> TrainingClasses:
    """Decides what is trained on which objects.

    Args:
        dataset: whose categories are meant.
        recipe: its `classes` say how.
        teacher: encodes the names; None for a learned classifier only.
        known: vectors of the teacher that are there already, for classes by their
            names; those stay as they are, whatever the templates.

    Returns:
        The classes.

    Raises:
        InputError: if nothing would be trained, or a teacher is missing.
    """
    wanted = recipe.classes
    asked = [c for c in dataset.categories if not c.excluded]
    trained = [c for c in asked if c.base or not wanted.held_out]
    if not trained:
        raise InputError(
            f"The dataset {dataset.name!r} has no base category, so there is nothing "
            "to train on: set classes.held_out=false to train on all of them."
        )
    if wanted.classifier == "learned":
        names = ["object"] if wanted.agnostic else [_names(c) for c in trained]
        labels = {
            c.id: 1 if wanted.agnostic else row + 1 for row, c in enumerate(trained)
        }
        rng = np.random.default_rng([recipe.seed, 3])
        dim = recipe.model.dim if teacher is None else int(teacher.dim)
        rows = rng.normal(0, _SPREAD, (len(names), dim)).astype("float32")
        return TrainingClasses(labels, rows, None, None, names)
    if teacher is None:
        raise InputError(
            f"The recipe {recipe.name!r} compares regions with texts, which a teacher "
            "encodes: name one, e.g. open_clip:ViT-B-32/openai, or shapes for drawn "
            "objects."
        )
    groups = [_names(c) for c in asked]
    flags = np.array([c.base or not wanted.held_out for c in asked])
    words = Vocabulary.build(groups, teacher, wanted.templates, base=flags)
    if known is not None:
        words = _with_known(words, known)
    rows, base = words.embeddings, None
    if wanted.novel == "absent":
        rows = rows[flags]
        labels = {c.id: row + 1 for row, c in enumerate(trained)}
    else:
        here = {c.id for c in trained}
        labels = {c.id: row + 1 for row, c in enumerate(asked) if c.id in here}
        base = None if flags.all() else flags
    return TrainingClasses(labels, rows, base, words, groups)


def _with_known(words: Vocabulary, known: Vocabulary) -> Vocabulary:
    """The same words, with the vectors that are there already."""
    row_of = {keys[0]: row for row, keys in enumerate(known.keys)}
    rows = words.embeddings.copy()
    for row, keys in enumerate(words.keys):
        if keys[0] in row_of:
            rows[row] = known.embeddings[row_of[keys[0]]]
    new = Vocabulary(words.synonyms, rows, words.base)
    new.teacher = words.teacher
    return new


def _names(category: Category) -> str | list[str]:
    """A category as a vocabulary takes it: its name, before its synonyms."""
    others = [name for name in category.synonyms if name != category.name]
    return [category.name, *others] if others else category.name
