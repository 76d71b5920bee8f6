"""Which categories a fine-tuning learns, and what a person should know of it."""

import numpy as np

from vild.data.categories import Category
from vild.data.dataset import Dataset
from vild.data.joined import Joined
from vild.names import plain
from vild.recipes import Recipe
from vild.vocabulary import Vocabulary

# Names that one line shows.
_SHOWN = 12


def own_categories(own: Vocabulary) -> list[Category]:
    """What a detector knows, as categories of a dataset.

    Args:
        own: its vocabulary, with base flags.

    Returns:
        A category for each word, base where it was trained on.
    """
    base = np.ones(len(own), bool) if own.base is None else own.base
    return [
        Category(row + 1, group[0], tuple(group), base=bool(flag))
        for row, (group, flag) in enumerate(zip(own.synonyms, base, strict=True))
    ]


def held_out(
    own: Vocabulary, new: Dataset, old: Dataset | None, recipe: Recipe
) -> list[str]:
    """Names of the categories that are not learned.

    Learned are the detector's base classes, the base classes that are replayed, and
    all of the new dataset: also those that a benchmark excludes, for somebody has
    drawn their boxes. The recipe may leave out what is not base there.

    Args:
        own: what the detector knows.
        new: the dataset to learn from.
        old: the dataset that is replayed; None for none.
        recipe: of the training.

    Returns:
        Their names.
    """
    parts = [new] if old is None else [new, old]
    everything = Joined(parts, own_categories(own))
    learned = {c.id for c in everything.categories if c.base}
    if not recipe.classes.held_out:
        learned |= set(everything.id_of[0].values())
    return [c.name for c in everything.categories if c.id not in learned]


def notes_of(
    own: Vocabulary,
    new: Dataset,
    asked: Recipe,
    recipe: Recipe,
    unmasked: list[str],
) -> list[str]:
    """What a person should know before a fine-tuning begins.

    Args:
        own: what the detector knows.
        new: the dataset to learn from.
        asked: the recipe as it was given.
        recipe: what follows from it for these datasets.
        unmasked: names of the datasets whose objects have no masks.

    Returns:
        Sentences.
    """
    names = own_categories(own)
    united = Joined([new], names).id_of[0]
    known, fresh = [], []
    for category in new.categories:
        row = united[category.id] - 1
        if row >= len(names):
            fresh.append(category.name)
        elif plain(names[row].name) == plain(category.name):
            known.append(category.name)
        else:
            known.append(f"{category.name} (its {names[row].name})")
    notes = []
    if fresh:
        notes.append(f"New to the detector: {_shown(fresh)}.")
    if known:
        notes.append(f"Known to it by name: {_shown(known)}.")
    wanted = asked.model.mask_convs is not None
    if wanted and recipe.model.mask_convs is None:
        of = " and ".join(unmasked)
        notes.append(f"Objects of {of} have no masks, so the mask head stays as it is.")
    if asked.inputs.copy_paste and not recipe.inputs.copy_paste:
        notes.append("Without masks no objects are pasted: copy_paste is 0.")
    return notes


def _shown(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
