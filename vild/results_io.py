"""Detections as files (JSON, NPZ) and as COCO results."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vild.data.rle import PackedMasks, encode_rle
from vild.errors import InputError
from vild.files import replacing

if TYPE_CHECKING:
    from vild.results import Detections

_FORMAT = "vild.detections"
_VERSION = 1
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def save(found: "Detections", path: Path) -> None:
    """Writes detections to a file; see `Detections.save`.

    Args:
        found: any.
        path: ends in `.json` or `.npz`.

    Raises:
        InputError: as for `Detections.save`.
    """
    ending = _ending(path)
    arrays: dict[str, Any] = {}
    if found.embeddings is not None:
        arrays["embeddings"] = found.embeddings
    try:
        content = json.dumps(_content(found), allow_nan=False)
    except ValueError as error:
        raise InputError(
            "boxes or scores hold numbers that are not finite, which no file can "
            "carry; leave those detections out: d[numpy.isfinite(d.scores)]"
        ) from error
    try:
        if not path.parent.is_dir():
            # More likely a slip of the pen than a folder to make.
            raise FileNotFoundError(f"there is no folder {str(path.parent)!r}")
        with replacing(path) as temporary, temporary.open("wb") as file:
            if ending == ".json":
                file.write(content.encode("ascii"))
            else:
                np.savez_compressed(file, content=np.array(content), **arrays)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error}") from error


def load(path: Path, make: Callable[..., "Detections"]) -> "Detections":
    """Reads what `save` wrote; see `Detections.load`.

    Args:
        path: a `.json` or `.npz` file.
        make: the class; it is called with what the file holds.

    Returns:
        The detections.

    Raises:
        InputError: as for `Detections.load`.
    """
    embeddings = None
    try:
        if _ending(path) == ".json":
            content = json.loads(path.read_text("utf-8"))
        else:
            with np.load(path, allow_pickle=False) as arrays:
                content = json.loads(str(arrays["content"]))
                embeddings = arrays.get("embeddings")
        return make(**_arguments(content), embeddings=embeddings)
    except InputError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    except Exception as error:  # damage shows itself in many ways
        raise InputError(
            f"{str(path)!r} holds no detections saved by vild, or is damaged "
            f"({type(error).__name__}: {error}); save it again"
        ) from error


def coco_results(
    found: "Detections", image_id: int | str, category_ids: Sequence[int] | None
) -> list[dict[str, Any]]:
    """COCO results of one photo; see `Detections.to_coco`.

    Args:
        found: any.
        image_id: the id of the photo in the dataset.
        category_ids: the dataset's id of each class; None: the class ids.

    Returns:
        One dict a detection.

    Raises:
        InputError: a class id has no entry in `category_ids`.
    """
    ids = found.class_ids.tolist()
    if category_ids is not None:
        if ids and not 0 <= min(ids) <= max(ids) < len(category_ids):
            raise InputError(
                f"class ids run from {min(ids)} to {max(ids)}, but category_ids "
                f"has {len(category_ids)} entries; pass one id for each class"
            )
        ids = [int(category_ids[i]) for i in ids]
    corners = found.boxes
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    results: list[dict[str, Any]] = [
        {"image_id": image_id, "category_id": i, "bbox": box, "score": score}
        for i, box, score in zip(
            ids, boxes.tolist(), found.scores.tolist(), strict=True
        )
    ]
    if found.masks is not None:
        for result, mask in zip(results, found.masks, strict=True):
            result["segmentation"] = encode_rle(mask)
    return results


def _content(found: "Detections") -> dict[str, Any]:
    masks = found.masks
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "image_size": list(found.image_size),
        # The shortest text of a float32 that reads back as the same float32.
        "boxes": [[float(str(side)) for side in box] for box in found.boxes],
        "scores": [float(str(score)) for score in found.scores],
        "class_ids": found.class_ids.tolist(),
        "class_names": found.class_names,
        "masks": None if masks is None else [encode_rle(mask) for mask in masks],
    }


def _arguments(content: dict[str, Any]) -> dict[str, Any]:
    if content["format"] != _FORMAT or content["version"] != _VERSION:
        raise ValueError(f"expected {_FORMAT} {_VERSION}")
    height, width = content["image_size"]
    packed = content["masks"]
    names = ("boxes", "scores", "class_ids", "class_names")
    return {
        **{name: content[name] for name in names},
        "image_size": (height, width),
        "masks": None if packed is None else PackedMasks(packed, (height, width)),
    }


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending in _PICTURES:
        raise InputError(
            f"{path.name!r} is a picture, but save writes the detections themselves; "
            "for a picture use .draw(image).save(path)"
        )
    if ending not in (".json", ".npz"):
        raise InputError(
            f"detections are files ending in .json or .npz, but {path.name!r} was given"
        )
    return ending
