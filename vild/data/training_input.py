"""From an example to arrays of fixed size that a model learns from.

Everything random is drawn before, as `Draws`: the same draws, the same arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vild.data.preprocessing import MEAN, STD, Size, place, resize_crop_pad

MASK_SIZE = 112
PADDING = -1.0


@dataclass(frozen=True)
class Draws:
    """What is random about how an example is shown.

    Attributes:
        flip: left for right.
        scale: of the photo, relative to the desired size.
        offset: (y, x) from [0, 1), which part of the room for a crop is used.

    Source: released behaviour, which flips twice when it distils, the second time
    without the distillation boxes; here everything is flipped together, once.
    """

    flip: bool = False
    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def random(
        cls, rng: np.random.Generator, low: float = 0.1, high: float = 2.0
    ) -> "Draws":
        """Draws as in training.

        Args:
            rng: where chance comes from.
            low: smallest scale.
            high: largest scale.

        Returns:
            New draws.

        Example:
            >>> Draws.random(np.random.default_rng(0)).flip
            True
        """
        flip, scale, y, x = rng.random(4)
        return cls(bool(flip > 0.5), float(low + (high - low) * scale), (y, x))


def training_input(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    masks: Sequence[np.ndarray] | np.ndarray,
    draws: Draws,
    size: Size,
    *,
    max_objects: int = 300,
    roi_boxes: np.ndarray | None = None,
    roi_features: np.ndarray | None = None,
    max_rois: int = 300,
    multiple: int = 64,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> dict[str, np.ndarray]:
    """Flips, scales, crops and pads an example.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the image.
        classes: (N,) int, from 1.
        masks: N masks (H, W), bool or from 0 to 1.
        draws: how it is shown.
        size: desired (height, width) of the model input in pixels.
        max_objects: G; what is more is left out.
        roi_boxes: (R, 4) float32, x1 y1 x2 y2 in pixels of the image, for
            distillation.
        roi_features: (R, D) float32 of the teacher.
        max_rois: how many distillation boxes; what is more is left out.
        multiple: the input is padded at the bottom and right to this multiple.
        mean: mean of the three channels, in [0, 1].
        std: standard deviation of the three channels, in [0, 1].

    Returns:
        `images` (Hp, Wp, 3) float32, `image_info` (5, 2) float32 (see `preprocess`),
        `image_shape` (2,) float32, `boxes` (G, 4) float32 y1 x1 y2 x2 in pixels of
        the model input, `classes` (G,) int32 and `masks` (G, 112, 112) float32 inside
        the boxes; padded with -1. Objects that are cropped away are left out. With
        distillation, `roi_boxes` (max_rois, 4) and `roi_features` (max_rois, D), none
        left out: those cropped away become flat boxes on the border.

    Source: released behaviour.
    """
    height, width = image.shape[:2]
    if draws.flip:
        image = image[:, ::-1]
    scaled, offset = place((height, width), size, draws.scale, draws.offset)
    pixels, info = resize_crop_pad(image, scaled, size, offset, multiple, mean, std)
    moved = move_boxes(boxes, info, width if draws.flip else None)
    kept = np.flatnonzero((moved[:, 2:] - moved[:, :2] > 0).all(axis=1))[:max_objects]
    moved = moved[kept]
    number = len(kept)
    result = {
        "images": pixels,
        "image_info": info,
        "image_shape": info[1].copy(),
        "boxes": _padded(moved, max_objects),
        "classes": np.full(max_objects, PADDING, "int32"),
        "masks": np.full((max_objects, MASK_SIZE, MASK_SIZE), PADDING, "float32"),
    }
    result["classes"][:number] = np.asarray(classes)[kept]
    # The clipped box, back on the photo; its mask is read there in full resolution.
    scale = np.concatenate([info[2], info[2]])
    shift = np.concatenate([info[3], info[3]])
    back = (moved + shift) / scale
    for row, (index, box) in enumerate(zip(kept, back, strict=True)):
        mask = np.asarray(masks[index])
        result["masks"][row] = crop_mask(mask[:, ::-1] if draws.flip else mask, box)
    if roi_boxes is not None and roi_features is not None:
        moved = move_boxes(roi_boxes, info, width if draws.flip else None)
        result["roi_boxes"] = _padded(moved[:max_rois], max_rois)
        features = np.asarray(roi_features, "float32")
        result["roi_features"] = _padded(features[:max_rois], max_rois)
    return result


def move_boxes(
    boxes: np.ndarray, info: np.ndarray, flip_width: int | None = None
) -> np.ndarray:
    """Boxes of a photo as boxes of the model input.

    Args:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the photo.
        info: (5, 2) float32 of `preprocess`.
        flip_width: width of the photo if it was flipped; None if not.

    Returns:
        (N, 4) float32, y1 x1 y2 x2 in pixels of the model input, clipped to the
        desired size less 1 (released behaviour).
    """
    boxes = np.asarray(boxes, "float32").reshape(-1, 4)
    if flip_width is not None:
        mirrored = flip_width - boxes[:, [2, 0]]
        boxes = np.stack([mirrored[:, 0], boxes[:, 1], mirrored[:, 1], boxes[:, 3]], 1)
    boxes = boxes[:, [1, 0, 3, 2]]
    scale, shift = (np.concatenate([info[row], info[row]]) for row in (2, 3))
    limit = np.concatenate([info[1], info[1]]) - 1
    return np.clip(boxes * scale - shift, 0, limit).astype("float32")


def crop_mask(mask: np.ndarray, box: np.ndarray, size: int = MASK_SIZE) -> np.ndarray:
    """A mask inside a box, in a fixed size.

    Args:
        mask: (H, W), bool or from 0 to 1.
        box: (4,) y1 x1 y2 x2 in pixels of the mask.
        size: height and width of the result.

    Returns:
        (size, size) float32, bilinear, not thresholded. The samples go from one edge
        of the box to the other, on a grid that is shrunk by a pixel in H (released
        behaviour); outside the mask they are 0.
    """
    axes: list[Any] = []
    for extent, start, stop in zip(mask.shape, box[:2], box[2:], strict=True):
        first, last = start / extent * (extent - 1), stop / extent * (extent - 1)
        position = first + np.arange(size, dtype="float32") * (last - first) / (
            size - 1
        )
        inside = (position >= 0) & (position <= extent - 1)
        low = np.clip(np.floor(position), 0, extent - 1).astype(np.intp)
        high = np.minimum(low + 1, extent - 1)
        axes.append((low, high, (position - low).astype("float32"), inside))
    (top, bottom, down, rows), (left, right, across, columns) = axes
    lines = [
        _mix(mask[row][:, left], mask[row][:, right], across) for row in (top, bottom)
    ]
    crop = lines[0] + (lines[1] - lines[0]) * down[:, None]
    return np.where(rows[:, None] & columns, crop, 0).astype("float32")


def _mix(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    first = one.astype("float32")
    return first + (other.astype("float32") - first) * share


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    result = np.full((count, *rows.shape[1:]), PADDING, "float32")
    result[: len(rows)] = rows
    return result
