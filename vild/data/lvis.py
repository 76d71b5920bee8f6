"""The classes of LVIS v1, which the released detectors were trained on."""

import functools
import json
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class LvisCategory:
    """One class of LVIS v1.

    Attributes:
        id: 1 to 1203.
        name: unique, e.g. `bow_(weapon)`.
        synonyms: all names it goes by, its own among them.
        frequency: `f`, `c` or `r`: seen in more than 100, 11 to 100, or at most
            10 training images. ViLD calls `r` novel and never trains on it.
    """

    id: int
    name: str
    synonyms: tuple[str, ...]
    frequency: str

    @property
    def base(self) -> bool:
        """Whether ViLD trains on it."""
        return self.frequency != "r"


@functools.cache
def lvis_categories() -> tuple[LvisCategory, ...]:
    """The 1203 classes in order of id.

    Returns:
        A tuple; the class with id i is at i - 1.

    Example:
        >>> lvis_categories()[0].name
        'aerosol_can'

    Source: LVIS v1 training annotations (names, synonyms, frequency groups).
    """
    text = resources.files("vild.data").joinpath("lvis_v1.json").read_text("utf-8")
    return tuple(
        LvisCategory(i, name, tuple(synonyms), frequency)
        for i, (name, synonyms, frequency) in enumerate(json.loads(text), 1)
    )
