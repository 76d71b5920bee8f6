"""What the argument of a dataset's specification means: the plug-ins of vild.

A folder is searched for a json with boxes in itself and then in `annotations`. There
must be one of that kind; otherwise the json itself is named. Images are looked for
near the json, see `vild.data.image_files.find_folder`. So these work as they are
unpacked:

    coco:coco/annotations/instances_val2017.json     images in coco/val2017
    lvis:lvis/lvis_v1_val.json                       images in lvis/val2017
    lvis:what/vild/convert/wrote                     annotations.json, images/
    voc:VOCdevkit/VOC2007/test                       the list ImageSets/Main/test.txt
    objects365:objects365/zhiyuan_objv2_val.json     images in objects365/val/patch0
    tfrecord:records/val-*                           see `vild.data.released_records`
    drawn:train, drawn-colours:val                   see `DrawnObjects`; no file
    stickers:train, stickers:val                     see `vild.data.stickers`
"""

from pathlib import Path
from typing import Literal

from vild.data.coco import Coco
from vild.data.drawn_dataset import DrawnObjects
from vild.data.lvis_dataset import Lvis
from vild.data.objects365 import Objects365
from vild.data.released_records import Records
from vild.data.voc import Voc
from vild.errors import DataError

Missing = Literal["error", "skip"]


def coco(path: str, missing: Missing = "error") -> Coco:
    """Opens a dataset in COCO's form.

    Args:
        path: a json, or a folder that holds one `instances*.json` or
            `annotations*.json`.
        missing: see `Coco`.

    Returns:
        The dataset.

    Raises:
        DataError: if there is none, or there are several.

    Example:
        >>> Path("instances_a.json").write_text(
        ...     '{"images": [], "annotations": [], "categories": []}'
        ... )
        51
        >>> coco(".").name
        'instances_a'
    """
    found = _find_json(path, ("instances*.json", "annotations*.json"), "coco")
    return Coco(found, missing=missing)


def lvis(path: str, missing: Missing = "error") -> Lvis:
    """Opens a dataset in LVIS's form.

    Args:
        path: a json, or a folder that holds one `lvis*.json` or
            `annotations*.json`.
        missing: see `Lvis`.

    Returns:
        The dataset.

    Raises:
        DataError: if there is none, or there are several.
    """
    found = _find_json(path, ("lvis*.json", "annotations*.json"), "lvis")
    return Lvis(found, missing=missing)


def objects365(path: str, missing: Missing = "error") -> Objects365:
    """Opens a dataset in the form of Objects365.

    Args:
        path: a json, or a folder that holds one `zhiyuan*.json`, `objects365*.json` or
            `annotations*.json`.
        missing: see `Coco`.

    Returns:
        The dataset.

    Raises:
        DataError: if there is none, or there are several.
    """
    patterns = ("zhiyuan*.json", "objects365*.json", "annotations*.json")
    return Objects365(_find_json(path, patterns, "objects365"), missing=missing)


def voc(path: str) -> Voc:
    """Opens a dataset in the form of PASCAL VOC.

    Args:
        path: its folder, and the name of a list of images in `ImageSets/Main`.

    Returns:
        The dataset.

    Raises:
        DataError: as for `Voc`.
    """
    lists = sorted((Path(path) / "ImageSets" / "Main").glob("*.txt"))
    if lists:
        # Lists of single classes have a _ in their names.
        names = [p.stem for p in lists if "_" not in p.stem] or [lists[0].stem]
        raise DataError(
            f"{path!r} has the lists of images {', '.join(names)}: name one, e.g. "
            f"voc:{path}/{names[0]}."
        )
    return Voc(Path(path).parent, Path(path).name)


def tfrecord(pattern: str) -> Records:
    """Opens TFRecords of the released schema.

    Args:
        pattern: files with wildcards, or a folder.

    Returns:
        The dataset.

    Raises:
        DataError: as for `Records`.
    """
    return Records(pattern)


def drawn_colours(split: str) -> DrawnObjects:
    """Opens drawn objects of which two colours are novel.

    Args:
        split: see `DrawnObjects`.

    Returns:
        The dataset.

    Raises:
        InputError: for another split.

    Example:
        >>> drawn_colours("train:10").name
        'drawn-colours:train'
    """
    return DrawnObjects(split, novel="colours")


def _find_json(path: str, patterns: tuple[str, ...], kind: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        return folder
    wanted = " or ".join(patterns)
    for place in (folder, folder / "annotations"):
        found = sorted({p for pattern in patterns for p in place.glob(pattern)})
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"{str(place)!r} holds {', '.join(p.name for p in found)}: name the "
                f"one that is meant, e.g. {kind}:{found[0]}."
            )
    raise DataError(
        f"{path!r} holds no {wanted}, nor does its folder 'annotations': name the json "
        f"itself, {kind}:FILE."
    )
