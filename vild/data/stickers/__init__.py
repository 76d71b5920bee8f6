"""Stickers: a benchmark of open-vocabulary detection that needs no photo.

Some 670 things, each drawn by several hands, are composed into scenes with exact
masks. The pictures come from packages of the npm registry (photos, for a test, from one
of Debian), fetched once by `vild data stickers`; see `docs/stickers.md`.
"""

from vild.data.stickers.art import Art, make_art, open_art
from vild.data.stickers.catalogue import Concept, Drawn, concepts
from vild.data.stickers.dataset import Stickers
from vild.data.stickers.splits import SPLITS, Split
from vild.data.stickers.styles import STYLES, Style, style, styles_of

__all__ = [
    "SPLITS",
    "STYLES",
    "Art",
    "Concept",
    "Drawn",
    "Split",
    "Stickers",
    "Style",
    "concepts",
    "make_art",
    "open_art",
    "style",
    "styles_of",
]
