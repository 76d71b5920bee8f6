"""Inputs of several examples as one batch of fixed shapes."""

from collections.abc import Sequence

import numpy as np

from vild.data.box_masks import MASK_SIZE
from vild.data.input_settings import InputSettings
from vild.data.reused import ReusedArrays
from vild.data.training_input import TrainingInput
from vild.errors import DataError

PADDING = -1


def stack(
    inputs: Sequence[TrainingInput],
    settings: InputSettings,
    arrays: ReusedArrays | None = None,
) -> dict[str, np.ndarray]:
    """Pads inputs and puts them together.

    Args:
        inputs: B of them.
        settings: say how much room there is.
        arrays: where large ones come from; None for new ones.

    Returns:
        `images` (B, H, W, 3) float32, `image_shape` (B, 2) float32: the desired
        height and width; `boxes` (B, G, 4) float32 y1 x1 y2 x2 in pixels of the
        images and `classes` (B, G) int32 from 1, padded with -1; unless the settings
        leave them out, `masks` (B, G, 112, 112) float16 from 0 to 1 inside the
        boxes, padded with 0; with distillation `roi_boxes` (B, R, 4) float32,
        padded with -1, and `roi_features` (B, R, D) float32, padded with 0; if the
        settings tell the number of classes, `annotated` (B, K) bool; and `seeds` (B,)
        int32 from 0 on.

    Raises:
        DataError: if the teacher's embeddings have several dimensions.

    Example:
        >>> nothing = np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0)
        >>> info = np.array([[20, 30]] * 5, np.float32)
        >>> one = TrainingInput(np.ones((20, 30, 3), np.float32), info, *nothing)
        >>> batch = stack([one], InputSettings((20, 30), masks=False))
        >>> batch["images"].shape, batch["boxes"].shape
        ((1, 64, 64, 3), (1, 300, 4))
    """
    arrays = arrays or ReusedArrays()
    count, objects = len(inputs), settings.max_objects
    batch = {
        "images": arrays.empty((count, *settings.padded, 3), np.float32),
        "image_shape": np.stack([one.info[1] for one in inputs]),
        "boxes": np.full((count, objects, 4), PADDING, np.float32),
        "classes": np.full((count, objects), PADDING, np.int32),
    }
    if settings.masks:
        shape = count, objects, MASK_SIZE, MASK_SIZE
        batch["masks"] = arrays.empty(shape, np.float16)
    if settings.distill:
        widths = {_features(one).shape[1] for one in inputs}
        if len(widths) > 1:
            raise DataError(
                "The regions of one batch have embeddings of the dimensions "
                f"{sorted(widths)}: write all with the same teacher."
            )
        regions = count, settings.max_rois
        batch["roi_boxes"] = np.full((*regions, 4), PADDING, np.float32)
        batch["roi_features"] = np.zeros((*regions, *widths), np.float32)
    if settings.classes is not None:
        batch["annotated"] = np.zeros((count, settings.classes), bool)
    for row, one in enumerate(inputs):
        height, width = one.pixels.shape[:2]
        image = batch["images"][row]
        image[:height, :width] = one.pixels
        image[:height, width:] = 0
        image[height:] = 0
        number = len(one.boxes)
        batch["boxes"][row, :number] = one.boxes
        batch["classes"][row, :number] = one.classes
        if settings.masks:
            batch["masks"][row, :number] = one.masks
            batch["masks"][row, number:] = 0
        if settings.distill:
            features = _features(one)
            batch["roi_boxes"][row, : len(features)] = one.roi_boxes
            batch["roi_features"][row, : len(features)] = features
        if one.annotated is not None and settings.classes is not None:
            batch["annotated"][row, one.annotated - 1] = True
    return batch | {"seeds": np.array([one.seed for one in inputs], np.int32)}


def _features(one: TrainingInput) -> np.ndarray:
    assert one.roi_features is not None
    return one.roi_features
