"""From an example to what a model learns from: flipped, scaled, cropped.

Everything random is drawn before, as `Draws`: the same draws, the same arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vild.data.box_masks import crop_masks
from vild.data.input_settings import InputSettings
from vild.data.object_masks import ObjectMasks
from vild.data.preprocessing import image_info, place, resize_crop, window_size


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
        flip, scale, y, x = rng.random(4).tolist()
        return cls(flip > 0.5, low + (high - low) * scale, (y, x))


class TrainingInput(NamedTuple):
    """An example as a model learns from it, without any padding.

    Attributes:
        pixels: (h, w, 3) float32, normalised: what the photo covers of the model
            input, from its top left corner on.
        info: (5, 2) float32, see `vild.data.preprocessing.image_info`.
        boxes: (N, 4) float32 y1 x1 y2 x2 in pixels of the model input.
        classes: (N,) int32 from 1.
        rows: (N,) int, which objects of the example these are; -1 for pasted ones.
        masks: (N, 112, 112) float16 from 0 to 1, inside the boxes; None for none.
        roi_boxes: (R, 4) float32 like the boxes, for distillation; None for none.
        roi_features: (R, D) float32 of the teacher.
        seed: () int32, for whatever is random in learning from it.
        annotated: (A,) int32 classes from 1 that are annotated; None: not asked for.
    """

    pixels: np.ndarray
    info: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    rows: np.ndarray
    masks: np.ndarray | None = None
    roi_boxes: np.ndarray | None = None
    roi_features: np.ndarray | None = None
    seed: np.ndarray = np.zeros((), np.int32)
    annotated: np.ndarray | None = None


def training_input(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    masks: ObjectMasks | Sequence[np.ndarray] | np.ndarray | None,
    draws: Draws,
    settings: InputSettings,
    roi_boxes: np.ndarray | None = None,
    roi_features: np.ndarray | None = None,
) -> TrainingInput:
    """Flips, scales and crops an example.

    Objects that are cropped away are left out; of the others, masks are drawn no
    further than they are seen. Regions for distillation all stay: those cropped away
    become flat boxes on the border.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the image.
        classes: (N,) int, from 1; objects of class 0 are left out.
        masks: N masks, not drawn, or (H, W) each, bool or from 0 to 1; None for an
            input without.
        draws: how it is shown.
        settings: of the desired size and its normalisation, and how many objects and
            regions are kept.
        roi_boxes: (R, 4) float32, x1 y1 x2 y2 in pixels of the image, for
            distillation.
        roi_features: (R, D) float32 of the teacher.

    Returns:
        The arrays, see `TrainingInput`.

    Raises:
        DataError: if a mask cannot be drawn.

    Example:
        >>> image = np.zeros((40, 60, 3), np.uint8)
        >>> box = np.array([[10, 10, 30, 20]], np.float32)
        >>> small = InputSettings(image_size=64)
        >>> shown = training_input(image, box, np.array([3]), None, Draws(), small)
        >>> shown.pixels.shape, shown.boxes.astype(int).tolist()
        ((43, 64, 3), [[10, 10, 21, 32]])

    Source: released behaviour.
    """
    original = image.shape[:2]
    scaled, offset = place(original, settings.size, draws.scale, draws.offset)
    info = image_info(original, scaled, settings.size, offset, settings.padded)
    window = window_size(scaled, settings.size, offset)
    pixels = np.empty((*window, 3), np.float32)
    resize_crop(image, scaled, offset, pixels, settings.mean, settings.std, draws.flip)
    flip_width = original[1] if draws.flip else None
    moved = move_boxes(boxes, info, flip_width)
    classes = np.asarray(classes).astype(np.int32)
    seen = (moved[:, 2:] > moved[:, :2]).all(axis=1)
    kept = np.flatnonzero(seen & (classes > 0))[: settings.max_objects]
    moved = moved[kept]
    cropped = None
    if masks is not None:
        # The clipped box, back on the photo; its mask is read there in full
        # resolution.
        scale, shift = (np.concatenate([info[row], info[row]]) for row in (2, 3))
        back = (moved + shift) / scale
        cropped = crop_masks(masks, kept, back, original, draws.flip)
    limit = settings.max_rois
    return TrainingInput(
        pixels,
        info,
        moved,
        classes[kept],
        kept,
        cropped,
        None if roi_boxes is None else move_boxes(roi_boxes, info, flip_width)[:limit],
        None if roi_features is None else np.asarray(roi_features, "f4")[:limit],
    )


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

    Example:
        >>> info = np.array([[40, 60], [64, 64], [2, 2], [0, 10], [64, 64]], "f4")
        >>> move_boxes(np.array([[10, 10, 30, 20]], "f4"), info).tolist()
        [[20.0, 10.0, 40.0, 50.0]]
    """
    boxes = np.asarray(boxes, "float32").reshape(-1, 4)
    if flip_width is not None:
        mirrored = flip_width - boxes[:, [2, 0]]
        boxes = np.stack([mirrored[:, 0], boxes[:, 1], mirrored[:, 1], boxes[:, 3]], 1)
    boxes = boxes[:, [1, 0, 3, 2]]
    scale, shift = (np.concatenate([info[row], info[row]]) for row in (2, 3))
    limit = np.concatenate([info[1], info[1]]) - 1
    return np.clip(boxes * scale - shift, 0, limit).astype("float32")
