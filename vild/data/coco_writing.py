"""Any dataset into COCO's or LVIS's form: a json and a folder of images."""

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from vild.data.dataset import Category, Dataset
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.processes import check_workers, in_processes
from vild.data.rle import encode_rle
from vild.errors import DataError
from vild.files import replacing, writing

Form = Literal["coco", "lvis"]

_AT_ONCE = 50  # images in a job
_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png"}


def write_coco(
    dataset: Dataset,
    out: str | os.PathLike[str],
    form: Form = "coco",
    workers: int = 1,
) -> Path:
    """Writes `annotations.json` and `images/` in COCO's or LVIS's form.

    The json is written last and whole. Polygons stay polygons, other masks become run
    lengths. Regions for distillation have no place in these forms, nor has which
    categories are base, nor have crowds in LVIS's: a warning counts what is left out.

    Args:
        dataset: what to write.
        out: the folder; it is made.
        form: `"coco"` or `"lvis"`.
        workers: how many processes.

    Returns:
        The json.

    Raises:
        DataError: if the folder holds such a json already, an image is missing or
            damaged, two images have one file name, or a category has no frequency,
            which LVIS needs.
        InputError: if the folder cannot be written.

    Example:
        >>> class Empty:
        ...     name, categories = "empty", ()
        ...     def __len__(self):
        ...         return 0
        ...     def __getitem__(self, index):
        ...         raise IndexError(index)
        >>> write_coco(Empty(), "empty").name
        'annotations.json'
    """
    check_workers(workers)
    folder = Path(out)
    path = folder / "annotations.json"
    if path.exists():
        raise DataError(
            f"{str(path)!r} is there already: name another folder, or delete it."
        )
    categories = [_category(category, form) for category in dataset.categories]
    jobs = [
        range(start, min(start + _AT_ONCE, len(dataset)))
        for start in range(0, len(dataset), _AT_ONCE)
    ]
    common = dataset, folder / "images", form
    parts = in_processes(_write_part, common, jobs, workers=workers, total=len(dataset))
    names = Counter(name for part in parts for name in part.names)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise DataError(
            f"Two images of {dataset.name!r} have the file name {twice[0]!r}: give "
            "each its own."
        )
    with writing(path), replacing(path) as temporary:
        _write_json(temporary, parts, categories)
    _warn(dataset.name, form, parts)
    return path


@dataclass
class _Part:
    """Some images, as json without the braces that hold them together."""

    names: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    regions: int = 0
    crowds: int = 0


def _write_part(
    common: tuple[Dataset, Path, Form], job: range, done: Callable[[], None]
) -> _Part:
    dataset, folder, form = common
    part = _Part()
    for index in job:
        example = dataset[index]
        encoded = example.picture.encoded()
        name = _file_name(example, encoded)
        _write_image(folder / name, encoded)
        part.names.append(name)
        part.images.append(json.dumps(_image(example, name, form)))
        for row in range(len(example)):
            if form == "lvis" and example.crowd[row]:
                part.crowds += 1
            else:
                part.annotations.append(json.dumps(_annotation(example, row, form)))
        part.regions += example.roi_boxes is not None
        done()
    return part


def _write_image(path: Path, encoded: bytes) -> None:
    # What an earlier run has written stays.
    if path.is_file() and path.read_bytes() == encoded:
        return
    with writing(path), replacing(path) as temporary:
        temporary.write_bytes(encoded)


def _write_json(
    path: Path, parts: list[_Part], categories: list[dict[str, Any]]
) -> None:
    images = [image for part in parts for image in part.images]
    annotations = (text for part in parts for text in part.annotations)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"images": [\n' + ",\n".join(images) + "\n],\n")
        file.write('"annotations": [')
        for number, text in enumerate(annotations, 1):
            # Its number goes first into what is a json object already.
            before = "," if number > 1 else ""
            file.write(f'{before}\n{{"id": {number}, {text[1:]}')
        file.write('\n],\n"categories": ' + json.dumps(categories) + "}\n")


def _image(example: Example, name: str, form: Form) -> dict[str, Any]:
    height, width = example.size
    entry = {
        "id": int(example.image_id),
        "height": int(height),
        "width": int(width),
        "file_name": name,
    }
    if form == "coco":
        return entry
    return entry | {
        "neg_category_ids": example.negative_ids.tolist(),
        "not_exhaustive_category_ids": example.not_exhaustive_ids.tolist(),
    }


def _annotation(example: Example, row: int, form: Form) -> dict[str, Any]:
    x1, y1, x2, y2 = example.boxes[row].tolist()
    entry = {
        "image_id": int(example.image_id),
        "category_id": int(example.category_ids[row]),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": float(example.areas[row]),
    }
    if form == "coco":
        entry["iscrowd"] = int(example.crowd[row])
    segmentation = _segmentation(example, row)
    return entry if segmentation is None else entry | {"segmentation": segmentation}


def _segmentation(example: Example, row: int) -> Any:
    masks = example.packed_masks
    if not isinstance(masks, ObjectMasks):
        return None if example.masks is None else encode_rle(example.masks[row])
    segment = masks.segments[row]
    if isinstance(segment, bytes | Mapping):
        return encode_rle(masks.draw(row))
    return [polygon.tolist() for polygon in segment]


def _category(category: Category, form: Form) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": category.id, "name": category.name}
    if category.synonyms:
        entry["synonyms"] = list(category.synonyms)
    if category.frequency is not None:
        entry["frequency"] = category.frequency
    elif form == "lvis":
        raise DataError(
            f"The category {category.name!r} has no frequency, which LVIS needs: write "
            "the dataset as coco."
        )
    return entry


def _file_name(example: Example, encoded: bytes) -> str:
    """A relative path that stays in the folder of images."""
    path = PurePosixPath(example.file_name or f"{example.image_id:012d}")
    if path.is_absolute() or ".." in path.parts:
        path = PurePosixPath(path.name)
    return str(path) if path.suffix else f"{path}{_ENDINGS.get(encoded[:2], '')}"


def _warn(name: str, form: Form, parts: list[_Part]) -> None:
    left_out = [
        (sum(part.regions for part in parts), "images have regions for distillation"),
        (sum(part.crowds for part in parts), "objects are crowds"),
    ]
    said = [f"{count} {what}" for count, what in left_out if count]
    if said:
        warnings.warn(
            f"Of {name!r} {' and '.join(said)}, which {form} has no place for: these "
            "are left out.",
            stacklevel=3,
        )
