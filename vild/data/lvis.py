"""The classes of LVIS v1, which the released detectors were trained on."""

import functools
import json
from importlib import resources

from vild.data.categories import Category


@functools.cache
def lvis_categories() -> tuple[Category, ...]:
    """The 1203 classes in order of id.

    Returns:
        A tuple; the class with id i is at i - 1. ViLD calls classes of the frequency
        `r` novel and never trains on them; all others are base.

    Example:
        >>> lvis_categories()[0].name, lvis_categories()[0].base
        ('aerosol_can', True)

    Source: LVIS v1 training annotations (names, synonyms, frequency groups).
    """
    text = resources.files("vild.data").joinpath("lvis_v1.json").read_text("utf-8")
    return tuple(
        Category(i, name, tuple(synonyms), base=frequency != "r", frequency=frequency)
        for i, (name, synonyms, frequency) in enumerate(json.loads(text), 1)
    )
