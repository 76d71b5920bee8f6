"""Datasets in COCO's form: a json of annotations and a folder of images."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from vild.data.categories import Category
from vild.data.coco_boxes import boxes_in_images
from vild.data.coco_categories import read_categories
from vild.data.coco_json import CocoJson
from vild.data.example import Example
from vild.data.image_files import find_folder, find_image, places
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.errors import DataError, InputError

_TRIED = 100  # images that may lead to their folder, should the first ones be missing


class Coco:
    """A dataset in COCO's form.

    Boxes are cut at the image's border. Those without area in it are left out with
    their masks, as are annotations of images that are not there; one warning counts
    them. An image has masks if each of its objects has one.

    Args:
        annotations: the json.
        images: the folder in which `file_name`, or the last two parts of
            `coco_url`, is a file; None for one near the json, see
            `vild.data.image_files.find_folder`.
        base: names of the categories that may be trained on; the others are novel.
            None: of COCO's own 80 names the usual 48 are base, 17 novel and 15
            excluded, see `vild.data.coco_split`; of other names all are base.
        missing: `"error"` for images that are not there when they are asked for;
            `"skip"` leaves them out.
        name: of the dataset; None for that of the json.

    Attributes:
        name: see above.
        categories: in the json's order.
        fingerprint: changes with the json and with what is left out.
        source: the json, with numbers as they are there.
        rows: (N,) int64: which of its images these are.

    Raises:
        DataError: if the json is missing, damaged or of another form, or the first
            of its images is not in the folder.
        InputError: if `base` names an unknown category.

    Example:
        >>> text = '{"images": [], "annotations": [], "categories": []}'
        >>> _ = Path("val.json").write_text(text)
        >>> len(Coco("val.json", "images"))
        0
    """

    # Whether an image's address goes before its file name, as released for LVIS.
    _url_first = False

    def __init__(
        self,
        annotations: str | os.PathLike[str],
        images: str | os.PathLike[str] | None = None,
        *,
        base: Iterable[str] | None = None,
        missing: Literal["error", "skip"] = "error",
        name: str | None = None,
    ) -> None:
        if missing not in ("error", "skip"):
            raise InputError(
                f"missing must be 'error' or 'skip', received {missing!r}."
            )
        self.source = CocoJson(annotations)
        self._folder = self._near() if images is None else Path(images)
        self.name = name or self.source.path.stem
        path = self.source.path
        self.categories: Sequence[Category] = read_categories(
            self.source.categories, path, base
        )
        known = {category.id for category in self.categories}
        strange = set(np.unique(self.source.category_of).tolist()) - known
        if strange:
            raise DataError(
                f"{str(path)!r} has annotations of the category {min(strange)}, but "
                "lists no such category: mend its list."
            )
        self.rows = self._find_rows(missing == "skip")
        self.fingerprint = f"{self.source.fingerprint}:{len(self.rows)}"
        self._boxes, row_of = boxes_in_images(self.source)
        # Annotations by image, those of one image in the json's order.
        index_of = np.full(len(self.source.image_ids) + 1, -1)  # the last: of none
        index_of[self.rows] = np.arange(len(self.rows))
        self._order = np.argsort(index_of[row_of], kind="stable")
        self._ends = np.searchsorted(
            index_of[row_of][self._order], np.arange(len(self.rows) + 1)
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, not {index}")
        index %= len(self)
        row = int(self.rows[index])
        source = self.source
        height, width = source.sizes[row].tolist()
        found = self._order[self._ends[index] : self._ends[index + 1]]
        segments = [source.segments[i] for i in found.tolist()]
        masks = [segment for segment in segments if segment is not None]
        image_id = int(source.image_ids[row])
        packed = ObjectMasks(masks, (height, width), f"image {image_id} of {self.name}")
        candidates = self._places(row)
        return Example(
            image_id=image_id,
            picture=Picture(find_image(self._folder, candidates)),
            size=(height, width),
            boxes=self._boxes[found],
            category_ids=source.category_of[found],
            packed_masks=packed if len(masks) == len(segments) else None,
            crowd=source.crowd[found],
            areas=source.areas[found].astype(np.float32),
            negative_ids=source.negative_ids[row],
            not_exhaustive_ids=source.not_exhaustive_ids[row],
            file_name=candidates[0],
        )

    def _near(self) -> Path:
        some = range(min(len(self.source.image_ids), _TRIED))
        return find_folder(self.source.path, map(self._places, some))

    def _places(self, row: int) -> list[str]:
        return places(*self.source.file_names[row], self._url_first)

    def _find_rows(self, skip: bool) -> np.ndarray:
        """Which images of the json are in the dataset."""
        count = len(self.source.image_ids)
        rows = [row for row in range(count) if not skip or self._is_there(row)]
        if count and (not rows or not self._is_there(rows[0])):
            # A wrong folder is told now, not after hours.
            find_image(self._folder, self._places(0))
        return np.array(rows, np.int64)

    def _is_there(self, row: int) -> bool:
        return any((self._folder / place).is_file() for place in self._places(row))
