"""Objects365: COCO's form, with folders and spellings of its own."""

import os
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from vild.data.coco import Coco
from vild.data.image_files import places

# Source: the names of the dataset as its users mend them.
MENDED = {
    "Bakset": "Basket",
    "Buttefly": "Butterfly",
    "Campel": "Camel",
    "Dinning Table": "Dining Table",
    "Extention Cord": "Extension Cord",
    "Hamimelon": "Hami melon",
    "Hotair ballon": "Hot air balloon",
    "Meat ball": "Meatball",
    "Moniter/TV": "Monitor/TV",
    "Mushroon": "Mushroom",
    "Table Teniis paddle": "Table Tennis paddle",
    "Tape Measur/ Ruler": "Tape Measure/ Ruler",
    "Tea pot": "Teapot",
}
"""Names that are misspelt in the annotations, and what is asked for instead."""


class Objects365(Coco):
    """A dataset in the form of Objects365.

    Args:
        annotations: the json, e.g. `zhiyuan_objv2_val.json`.
        images: the folder in which `file_name`, or its last two parts, e.g.
            `patch16/objects365_v2_00908726.jpg`, or its last one are a file; None for
            one near the json, see `vild.data.image_files.find_folder`.
        missing: as for `Coco`.
        name: of the dataset; None for that of the json.

    Raises:
        DataError: as for `Coco`.

    Example:
        >>> text = '{"images": [], "annotations": [], "categories": []}'
        >>> from pathlib import Path
        >>> _ = Path("val.json").write_text(text)
        >>> len(Objects365("val.json", "images"))
        0
    """

    def __init__(
        self,
        annotations: str | os.PathLike[str],
        images: str | os.PathLike[str] | None = None,
        *,
        missing: Literal["error", "skip"] = "error",
        name: str | None = None,
    ) -> None:
        super().__init__(annotations, images, missing=missing, name=name)
        self.categories = tuple(
            replace(c, synonyms=(MENDED[c.name],)) if c.name in MENDED else c
            for c in self.categories
        )

    def _places(self, row: int) -> list[str]:
        file_name, url = self.source.file_names[row]
        found = places(file_name, url)
        short = "/".join(PurePosixPath(file_name or url).parts[-2:])
        return list(dict.fromkeys([*found[:-1], short, found[-1]]))
