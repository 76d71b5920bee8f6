"""What stickers show: names, synonyms, and which pictures belong to them."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

PARTS = ("base", "novel", "val")


@dataclass(frozen=True)
class Drawn:
    """One picture that every style may have drawn, or a photo.

    Attributes:
        code: its code points, e.g. `1f415`; of a photo its file; the key of `Art`.
        name: what iconify's sets call it; empty for a photo.
        other_name: what Mozilla's set calls it; empty if it has none.
    """

    code: str
    name: str = ""
    other_name: str = ""


@dataclass(frozen=True)
class Concept:
    """Something to be found by its name.

    Attributes:
        name: unique among concepts.
        synonyms: all names it goes by, its own first.
        part: `base`: annotated in training; `novel`: held out, for tests; `val`: held
            out likewise, for choices.
        pictures: one or more that show it, each drawn by many styles.
        photos: cut-out ones that show it, if there are any.
    """

    name: str
    synonyms: tuple[str, ...]
    part: str
    pictures: tuple[Drawn, ...]
    photos: tuple[Drawn, ...] = ()

    @property
    def shown(self) -> tuple[Drawn, ...]:
        """Pictures and photos."""
        return (*self.pictures, *self.photos)


@functools.cache
def concepts() -> tuple[Concept, ...]:
    """All concepts: base ones by falling frequency, then novel, then val.

    Returns:
        The concepts, always in this order: an index is a category's id less one.

    Example:
        >>> from collections import Counter
        >>> Counter(concept.part for concept in concepts())
        Counter({'base': 481, 'novel': 145, 'val': 48})
    """
    photos = dict(_fields(line) for line in _lines("photos.txt"))
    return tuple(_read(line, photos) for line in _lines("concepts.txt"))


@functools.cache
def concepts_digest() -> str:
    """Tells one list of concepts from another.

    Returns:
        16 hexadecimal digits of all names, synonyms, parts and codes, in order; not
        of photos, which one split shows only.

    Example:
        >>> len(concepts_digest())
        16
    """
    known = [
        [concept.part, concept.synonyms, [picture.code for picture in concept.pictures]]
        for concept in concepts()
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


@functools.cache
def photos_digest() -> str:
    """Tells one choice of photos from another.

    Returns:
        16 hexadecimal digits of the photos of all concepts, in order.

    Example:
        >>> len(photos_digest())
        16
    """
    shown = [[photo.code for photo in concept.photos] for concept in concepts()]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def _lines(name: str) -> list[str]:
    text = files("vild.data.stickers").joinpath(name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("|")]


def _read(line: str, photos: Mapping[str, str]) -> Concept:
    part, names, pictures = _fields(line)
    synonyms = tuple(name.strip() for name in names.split(","))
    drawn = tuple(Drawn(*picture.split()) for picture in pictures.split(";"))
    shot = tuple(Drawn(code) for code in photos.get(synonyms[0], "").split())
    return Concept(synonyms[0], synonyms, part, drawn, shot)
