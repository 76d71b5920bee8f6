"""The splits of the stickers: which concepts, drawn by which hands, how often."""

from dataclasses import dataclass

import numpy as np

from vild.data.categories import Category
from vild.data.stickers.catalogue import Concept, concepts
from vild.data.stickers.styles import Style, style, styles_of
from vild.errors import InputError

_STEEPNESS = 0.122  # of the tail: the first base concept is drawn 60 times the last
_FEWEST_FREQUENT = 100  # images of a frequent concept are more, as in LVIS
OBJECTS = (1, 12)  # fewest and most in a scene


@dataclass(frozen=True)
class Split:
    """What a split shows.

    Attributes:
        number: which scenes it has: those of two splits never meet.
        parts: which concepts are drawn, see `Concept`.
        styles: which hands drew them, see `Style`.
        length: how many scenes there are, if no number is asked for.
        asked: the part whose concepts are held out and asked for.
        tail: whether some base concepts are drawn far more often than others.
    """

    number: int
    parts: tuple[str, ...]
    styles: str
    length: int
    asked: str
    tail: bool = False


SPLITS = {
    "train": Split(0, ("base", "novel", "val"), "train", 20000, "novel", tail=True),
    "val": Split(1, ("base", "val"), "train", 1000, "val"),
    "val-unseen": Split(2, ("base", "val"), "val", 1000, "val"),
    "test-seen": Split(3, ("base", "novel"), "train", 2000, "novel"),
    "test-unseen": Split(4, ("base", "novel"), "test", 2000, "novel"),
    "test-photos": Split(5, ("base", "novel"), "photos", 1000, "novel"),
}
"""The splits by name. Choices are made on `val` and `val-unseen`, never on tests."""

BY_DEFAULT = tuple(name for name, split in SPLITS.items() if split.styles != "photos")
"""Those whose pictures are fetched unless others are asked for: photos are 161 MB."""


@dataclass(frozen=True)
class Wanted:
    """A split as it is asked for.

    Attributes:
        name: of the split, with the styles if only some are wanted.
        split: what it shows.
        styles: which hands drew it.
        length: how many scenes.
    """

    name: str
    split: Split
    styles: tuple[Style, ...]
    length: int


def read_split(text: str) -> Wanted:
    """Reads which scenes are asked for.

    Args:
        text: the name of a split; after a `/` names of some of its styles, with `+`
            between them, if not all are wanted; after a `:` the number of scenes, 1
            or more, if it is not the split's own.

    Returns:
        It.

    Raises:
        InputError: if there is no such split or style, the split is not drawn by
            that style, one is named twice, or the number is none.

    Example:
        >>> wanted = read_split("test-unseen/twemoji:500")
        >>> wanted.name, [style.name for style in wanted.styles], wanted.length
        ('test-unseen/twemoji', ['twemoji'], 500)
    """
    name, _, count = text.strip().partition(":")
    bare, slash, hands = name.partition("/")
    if bare not in SPLITS or (count and not _is_number(count)):
        raise InputError(
            f"The splits of stickers are {', '.join(SPLITS)}, with a number of scenes, "
            f"1 or more, if wanted, as in train:500; received {text!r}."
        )
    split = SPLITS[bare]
    styles = styles_of(split.styles)
    if slash:
        styles = _named(hands.split("+"), bare, split)
    return Wanted(name, split, styles, int(count) if count else split.length)


def _is_number(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def _named(names: list[str], name: str, split: Split) -> tuple[Style, ...]:
    """Some of a split's styles: no other, or what is held out would be seen."""
    named = tuple(style(one) for one in names)
    known = ", ".join(one.name for one in styles_of(split.styles))
    for one in named:
        if one.part != split.styles:
            raise InputError(
                f"The scenes of {name!r} are drawn by {known} or some of these, so "
                f"that what is held out stays unseen; received {one.name!r}, which is "
                f"a style of the part {one.part!r}."
            )
    if len(set(names)) < len(names):
        raise InputError(f"A style can be named once, received {'+'.join(names)!r}.")
    return named


def shares(split: Split, drawn: np.ndarray) -> np.ndarray:
    """How often each concept is drawn.

    Args:
        split: where.
        drawn: (N,) bool, whether any style has a picture of it.

    Returns:
        (N,) float64 that sum to 1.

    Raises:
        InputError: if the styles have pictures of none of the split's concepts.

    Example:
        >>> share = shares(SPLITS["train"], np.ones(len(concepts()), bool))
        >>> round(float(share[0] / share[480]), 1)
        59.6
    """
    known = concepts()
    share = np.ones(len(known))
    if split.tail:
        base = sum(concept.part == "base" for concept in known)
        share[:base] = 1 / (1 + _STEEPNESS * np.arange(base))
        share[base:] = share[:base].mean()
    share[[concept.part not in split.parts for concept in known]] = 0
    share[~drawn] = 0
    if not share.any():
        raise InputError("The styles have drawn none of the concepts: name others.")
    return share / share.sum()


def categories(split: Split) -> list[Category]:
    """The categories of a split; what is drawn but never asked for is excluded.

    Args:
        split: which.

    Returns:
        The categories; a concept has the same id in all splits.

    Example:
        >>> sum(category.novel for category in categories(SPLITS["val"]))
        48
    """
    frequent = _frequent()
    return [
        Category(
            row + 1,
            concept.name,
            concept.synonyms,
            base=concept.part == "base",
            frequency=_frequency(concept, row < frequent),
            excluded=concept.part not in ("base", split.asked),
        )
        for row, concept in enumerate(concepts())
        if concept.part in split.parts
    ]


def _frequency(concept: Concept, frequent: bool) -> str:
    if concept.part != "base":
        return "r"
    return "f" if frequent else "c"


def _frequent() -> int:
    """How many base concepts are in more than 100 images of the whole of `train`."""
    train = SPLITS["train"]
    share = shares(train, np.ones(len(concepts()), bool))
    # Scenes of k objects have this share, see `Stickers`.
    k = np.arange(OBJECTS[0], OBJECTS[1] + 1)
    objects = (k * np.log1p(1 / k)).sum() / np.log((OBJECTS[1] + 1) / OBJECTS[0])
    often = objects * train.length * share > _FEWEST_FREQUENT
    return int(often.cumprod().sum())
