"""One image of a dataset with its objects."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np

from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture

# Instead of None, which whoever reads an example never meets.
_FILLED_IN = cast(np.ndarray, None)


def _no_ids() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Example:
    """An image and what is in it, in pixels of the original image.

    It is small until `image` or `masks` are asked for, so that it can be handed to
    the process which decodes it.

    Attributes:
        image_id: a number of the dataset's own.
        picture: the image, not decoded.
        size: (height, width) of the image in pixels.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels, inside the image.
        category_ids: (N,) int64, ids of the dataset's categories.
        packed_masks: N masks, not drawn: anything that gives (N, H, W) bool when it
            is called; None where there are boxes only.
        crowd: (N,) bool: whether a box is around many objects at once, which is
            neither trained on nor counted as missed. Default: none is.
        areas: (N,) float32 in square pixels, which evaluation calls small, medium
            or large. Default: those of the boxes.
        negative_ids: (M,) int64: categories that are certainly not there (LVIS).
        not_exhaustive_ids: (M,) int64: categories of which only some objects are
            annotated (LVIS).
        annotated_ids: (A,) int64: the only categories whose objects are annotated
            here, so that an object of another one may be there without a box; None:
            all of the dataset's. Trainings heed it if their recipe says
            `classes.partial`.
        roi_boxes: (R, 4) float32 x1 y1 x2 y2 in pixels: regions for distillation.
        roi_features: (R, D) float32: what a teacher makes of their crops, of any
            length; None without.
        roi_scores: (R,) float32: how sure the detector was that proposed them.
        file_name: of the image, relative to a folder of images.

    Example:
        >>> example = Example(
        ...     7,
        ...     Picture(np.zeros((40, 60, 3), np.uint8)),
        ...     (40, 60),
        ...     boxes=np.array([[10, 10, 30, 20]], np.float32),
        ...     category_ids=np.array([3]),
        ... )
        >>> example.image.shape, example.masks, example.areas.tolist()
        ((40, 60, 3), None, [200.0])
    """

    image_id: int
    picture: Picture
    size: tuple[int, int]
    boxes: np.ndarray
    category_ids: np.ndarray
    packed_masks: ObjectMasks | Callable[[], np.ndarray] | None = None
    crowd: np.ndarray = _FILLED_IN
    areas: np.ndarray = _FILLED_IN
    negative_ids: np.ndarray = field(default_factory=_no_ids)
    not_exhaustive_ids: np.ndarray = field(default_factory=_no_ids)
    annotated_ids: np.ndarray | None = None
    roi_boxes: np.ndarray | None = None
    roi_features: np.ndarray | None = None
    roi_scores: np.ndarray | None = None
    file_name: str | None = None

    def __post_init__(self) -> None:
        if self.crowd is None:
            object.__setattr__(self, "crowd", np.zeros(len(self.boxes), bool))
        if self.areas is None:
            boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
            sides = boxes[:, 2:] - boxes[:, :2]
            object.__setattr__(self, "areas", sides.prod(axis=1, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.boxes)

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, decoded when first asked for."""
        return self.picture.decode(self.size)

    @cached_property
    def masks(self) -> np.ndarray | None:
        """(N, H, W) bool, drawn when first asked for; None where there are none."""
        return None if self.packed_masks is None else self.packed_masks()
