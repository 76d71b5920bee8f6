"""Datasets in the form of PASCAL VOC: a file of XML for each image."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from vild.data.categories import Category
from vild.data.example import Example
from vild.data.pictures import Picture
from vild.errors import DataError

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair"),
    *("cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
"""The 20 classes, whose ids are 1 to 20. Source: the devkit of VOC2012."""

# What is asked for where a name is two words written as one.
_SPOKEN = {
    "diningtable": "dining table",
    "pottedplant": "potted plant",
    "tvmonitor": "tv monitor",
}


class Voc:
    """A dataset in the form of PASCAL VOC.

    Boxes in the files count pixels from 1 and include the last one; here they begin
    and end at the edges of pixels. Objects that are flagged as difficult are `crowd`:
    neither to be found nor a mistake to find. Masks are not read.

    Args:
        folder: holds `Annotations`, `JPEGImages` and `ImageSets/Main`.
        split: name of a list of images in `ImageSets/Main`, e.g. `test`.
        classes: names of the categories; None for the 20 of VOC or, where other names
            are annotated, those, sorted.

    Attributes:
        name: e.g. `VOC2007/test`.
        categories: ids from 1 on.
        fingerprint: changes with the annotations.

    Raises:
        DataError: if a file is missing or damaged, or a name is not among the classes.

    Example:
        >>> Voc("VOCdevkit/VOC2007", "test")[0].boxes
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        split: str,
        classes: Sequence[str] | None = None,
    ) -> None:
        self._folder = Path(folder)
        self.name = f"{self._folder.name}/{split}"
        names = self._list(split)
        self._images = [_Annotations(self._folder, name) for name in names]
        digest = hashlib.sha256()
        for image in self._images:
            digest.update(image.digest)
        self.fingerprint = f"voc-1:{digest.hexdigest()}"
        there = {label for image in self._images for label in image.labels}
        if classes is None:
            classes = CLASSES if there <= set(CLASSES) else sorted(there)
        strange = there - set(classes)
        if strange:
            raise DataError(
                f"{self.name!r} has an object of the class {min(strange)!r}, which is "
                f"none of the {len(classes)} classes: name all of them."
            )
        self.categories = [
            Category(i, name, (_SPOKEN[name],) if name in _SPOKEN else ())
            for i, name in enumerate(classes, 1)
        ]
        self._id = {category.name: category.id for category in self.categories}
        self._ids = _image_ids(names)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Example:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, not {index}")
        image = self._images[index]
        # The devkit goes by the name in the list; `filename` is often wrong or a path.
        names = f"{image.name}.jpg", image.file_name, f"{image.name}.png"
        paths = [self._folder / "JPEGImages" / name for name in names]
        # One that is missing is told when it is looked at: metrics need none.
        picture = next((path for path in paths if path.is_file()), paths[0])
        return Example(
            image_id=self._ids[index],
            picture=Picture(picture),
            size=image.size,
            boxes=image.boxes.copy(),
            category_ids=np.array([self._id[n] for n in image.labels], np.int64),
            crowd=image.difficult.copy(),
            file_name=picture.name,
        )

    def _list(self, split: str) -> list[str]:
        lists = self._folder / "ImageSets" / "Main"
        path = lists / f"{split}.txt"
        try:
            lines = path.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            found = sorted(p.stem for p in lists.glob("*.txt") if "_" not in p.stem)
            there = f"there are {', '.join(found)}" if found else "there are no lists"
            raise DataError(
                f"The list of images {str(path)!r} cannot be read; {there}: give "
                "voc:FOLDER/SPLIT, e.g. voc:VOCdevkit/VOC2007/test."
            ) from error
        # Lists of a single class have a second column, -1 where it is not there.
        return [line.split()[0] for line in lines if line.strip()]


class _Annotations:
    """What a file says of its image."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        path = folder / "Annotations" / f"{name}.xml"
        try:
            data = path.read_bytes()
            root = ElementTree.fromstring(data)
            size = root.find("size")
            self.size = _number(size, "height"), _number(size, "width")
            objects = root.findall("object")
            self.labels = [_text(entry, "name") for entry in objects]
            self.difficult = np.array(
                [entry.findtext("difficult", "0").strip() == "1" for entry in objects],
                bool,
            )
            self.boxes = self._read_boxes(objects)
        except OSError as error:
            raise DataError(
                f"The annotations {str(path)!r} cannot be read "
                f"({error.strerror or error}): fetch the file again."
            ) from error
        except (ElementTree.ParseError, ValueError) as error:
            raise DataError(
                f"The annotations {str(path)!r} are not of VOC's form ({error}): fetch "
                "the file again."
            ) from error
        self.digest = hashlib.sha256(data).digest()
        self.file_name = (root.findtext("filename") or "").strip() or f"{name}.jpg"

    def _read_boxes(self, objects: list[ElementTree.Element]) -> np.ndarray:
        sides = ("xmin", "ymin", "xmax", "ymax")
        corners = [
            [float(_text(entry.find("bndbox"), side)) for side in sides]
            for entry in objects
        ]
        boxes = np.array(corners, np.float32).reshape(-1, 4)
        boxes[:, :2] -= 1
        if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError("a box has no area")
        height, width = self.size
        return boxes.clip(0, np.array([width, height, width, height], np.float32))


def _text(entry: ElementTree.Element | None, key: str) -> str:
    value = None if entry is None else entry.findtext(key)
    if value is None or not value.strip():
        raise ValueError(f"no {key}")
    return value.strip()


def _number(entry: ElementTree.Element | None, key: str) -> int:
    value = int(_text(entry, key))
    if value < 1:
        raise ValueError(f"a {key} of {value}")
    return value


def _image_ids(names: list[str]) -> list[int]:
    """Numbers in the names, as 000005 and 2008_000123 have; else places in the list."""
    digits = [name.replace("_", "") for name in names]
    if all(d.isdecimal() for d in digits) and len({*map(int, digits)}) == len(names):
        return [int(d) for d in digits]
    return list(range(1, len(names) + 1))
