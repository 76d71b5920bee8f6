"""What a record of the released TFRecords holds: an example, there and back.

Source: the released converter and reader.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.data.tf_example import Feature
from vild.errors import DataError

_OBJECT = "image/object/"
_REGION = "image/roi/"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG"


def to_features(example: Example, names: Mapping[int, str]) -> dict[str, Feature]:
    """Puts an example into the form of a record.

    Args:
        example: what to write; JPEG and PNG keep their bytes, other pictures
            become PNG.
        names: category id -> name.

    Returns:
        Feature name -> values. Boxes are divided by the image's size; without
        objects there is no `image/object/*`, without regions no `image/roi/*`.

    Raises:
        DataError: if the image is missing or a mask cannot be drawn.
    """
    encoded = example.picture.encoded()
    if not encoded.startswith((_JPEG, _PNG)):
        encoded = Picture(example.picture.decode(example.size)).encoded()
    height, width = example.size
    file_name = example.file_name or str(example.image_id)
    features: dict[str, Feature] = {
        "image/encoded": [encoded],
        "image/filename": [file_name.encode()],
        "image/format": [b"jpeg" if encoded.startswith(_JPEG) else b"png"],
        "image/height": np.array([height], np.int64),
        "image/width": np.array([width], np.int64),
        "image/key/sha256": [hashlib.sha256(encoded).hexdigest().encode()],
        "image/source_id": [str(example.image_id).encode()],
        "image/image_neg_category_ids": example.negative_ids,
        "image/not_exhaustive_category_ids": example.not_exhaustive_ids,
    }
    if len(example):
        labels = example.category_ids
        features |= _from_boxes(_OBJECT, example.boxes, example.size)
        features[f"{_OBJECT}class/label"] = labels
        features[f"{_OBJECT}class/text"] = [names[i].encode() for i in labels.tolist()]
        features[f"{_OBJECT}area"] = example.areas
        features[f"{_OBJECT}is_crowd"] = example.crowd.astype(np.int64)
        masks = example.packed_masks
        if masks is not None:
            if not isinstance(masks, ObjectMasks):
                masks = ObjectMasks.pack(masks())
            features[f"{_OBJECT}mask"] = [masks.png(i) for i in range(len(masks))]
    if example.roi_boxes is not None:
        features |= _from_boxes(_REGION, example.roi_boxes, example.size)
        scores = example.roi_scores
        if scores is None:
            scores = np.ones(len(example.roi_boxes), np.float32)
        features[f"{_REGION}bbox/score"] = scores
        if example.roi_features is not None:
            features[f"{_REGION}feature"] = example.roi_features.ravel()
    return features


def from_features(features: Mapping[str, Feature]) -> Example:
    """Reads an example out of a record.

    Args:
        features: feature name -> values.

    Returns:
        The example. As released, corners left of or above the image are moved into
        it, and areas that are not there are those of the boxes.

    Raises:
        DataError: if something is missing, of another kind or of another number:
            the end of a sentence "Record 3 of ... ".
    """
    record = _Record(features)
    image_id = record.image_id()
    file_name = record.text("image/filename")
    picture = Picture(record.bytes("image/encoded", 1)[0], file_name)
    sides = [record.numbers(f"image/{side}") for side in ("height", "width")]
    size = (
        (int(sides[0][0]), int(sides[1][0]))
        if len(sides[0]) == len(sides[1]) == 1
        else picture.size()
    )
    boxes = record.boxes(_OBJECT, size)
    count = len(boxes)
    areas = record.optional(f"{_OBJECT}area", float, count)
    crowd = record.optional(f"{_OBJECT}is_crowd", int, count)
    masks = record.bytes(f"{_OBJECT}mask")
    if masks and len(masks) != count:
        raise DataError(f"has {len(masks)} masks for {count} boxes.")
    settings: dict[str, Any] = {}
    if len(areas):
        settings["areas"] = areas
    if len(crowd):
        settings["crowd"] = crowd != 0
    if masks or not count:
        settings["packed_masks"] = ObjectMasks(masks, size, f"image {image_id}")
    regions = record.boxes(_REGION, size)
    values = record.numbers(f"{_REGION}feature", float)
    if len(regions):
        settings["roi_boxes"] = regions
        scores = record.optional(f"{_REGION}bbox/score", float, len(regions))
        settings["roi_scores"] = scores if len(scores) else None
        if len(values) % len(regions):
            raise DataError(
                f"has {len(values)} numbers of features for {len(regions)} regions."
            )
        if len(values):
            settings["roi_features"] = values.reshape(len(regions), -1)
    return Example(
        image_id=image_id,
        picture=picture,
        size=size,
        boxes=boxes,
        category_ids=record.numbers(f"{_OBJECT}class/label", count=count),
        negative_ids=record.numbers("image/image_neg_category_ids"),
        not_exhaustive_ids=record.numbers("image/not_exhaustive_category_ids"),
        file_name=file_name,
        **settings,
    )


class _Record:
    """Features of a record, checked for kind and number."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self._features = features

    def bytes(self, name: str, count: int | None = None) -> list[bytes]:
        values = self._features.get(name, [])
        if not isinstance(values, list) or count not in (None, len(values)):
            raise self._wrong(name, values, "bytes", count)
        return values

    def numbers(
        self, name: str, kind: type = int, count: int | None = None
    ) -> np.ndarray:
        dtype = np.dtype(np.float32 if kind is float else np.int64)
        values = self._features.get(name, ())
        if len(values) == 0:  # nothing tells the kind of an empty list
            values = np.zeros(0, dtype)
        fits = isinstance(values, np.ndarray) and values.dtype == dtype
        if not fits or count not in (None, len(values)):
            raise self._wrong(name, values, str(dtype), count)
        return np.asarray(values)

    def optional(self, name: str, kind: type, count: int) -> np.ndarray:
        empty = len(self._features.get(name, ())) == 0
        return self.numbers(name, kind, None if empty else count)

    def text(self, name: str) -> str | None:
        values = self.bytes(name)
        return values[0].decode(errors="replace") if values else None

    def image_id(self) -> int:
        text = self.text("image/source_id") or ""
        try:
            return int(text)
        except ValueError:
            raise DataError(
                f"has the image/source_id {text!r}, which is no whole number."
            ) from None

    def boxes(self, prefix: str, size: tuple[int, int]) -> np.ndarray:
        first = self.numbers(f"{prefix}bbox/{_CORNERS[0]}", float)
        corners = [
            self.numbers(f"{prefix}bbox/{corner}", float, len(first))
            for corner in _CORNERS
        ]
        table = np.stack(corners, axis=1)
        table[:, :2] = np.maximum(table[:, :2], 0)
        return table * _scale(size)

    def _wrong(self, name: str, values: Any, kind: str, count: int | None) -> DataError:
        if name not in self._features:
            return DataError(f"has no {name!r}.")
        received = values.dtype if isinstance(values, np.ndarray) else "bytes"
        many = "" if count is None else f"{count} values of "
        return DataError(
            f"has {len(values)} values of {received} as {name!r}, but {many}{kind} "
            "were expected."
        )


def _from_boxes(
    prefix: str, boxes: np.ndarray, size: tuple[int, int]
) -> dict[str, Feature]:
    # In double precision: rounded once.
    shares = (boxes.astype(np.float64) / _scale(size)).clip(0, 1).astype(np.float32)
    columns = zip(_CORNERS, shares.T, strict=True)
    return {f"{prefix}bbox/{name}": column.copy() for name, column in columns}


def _scale(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array([width, height, width, height], np.float32)
