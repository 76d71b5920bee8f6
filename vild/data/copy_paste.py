"""Objects of one example pasted into another, as augmentation.

Both examples are flipped, scaled and cropped each with its own draws; then each
object of the second is pasted with probability one half, with a hard edge, where it
is. What they cover changes: masks lose those pixels, boxes shrink to what is left of
their mask, and objects of which too little is left are dropped. A region for
distillation of which more than a third is covered no longer looks like what the
teacher saw: its box becomes -1 and its embedding 0, as if it were padding. Regions of
the second example are not taken over.

Source: Ghiasi et al., "Simple copy-paste is a strong data augmentation method for
instance segmentation", 2021; the limits of what is dropped are this library's own.
"""

from dataclasses import dataclass

import numpy as np

from vild.data.box_masks import MASK_SIZE, crop_mask
from vild.data.input_settings import InputSettings
from vild.data.labelled import Labelled
from vild.data.object_masks import ObjectMasks
from vild.data.preprocessing import Size, place
from vild.data.resizing import resize_window
from vild.data.training_input import Draws, TrainingInput

CHOSEN = 0.5
"""Probability that an object is pasted."""
LEFT = 0.2
"""Of an object's pixels, this share must be left, or else it is dropped."""
COVERED = 1 / 3
"""Of a region for distillation, no more than this share may be covered."""

_SLACK = 2  # pixels that a mask may reach out of its box by


@dataclass(frozen=True, eq=False)
class Layer:
    """An example with its masks, and how it is shown.

    Attributes:
        example: the example.
        draws: how it is shown.
        shown: what `training_input` makes of them.
    """

    example: Labelled
    draws: Draws
    shown: TrainingInput

    def mask(self, index: int, size: Size) -> np.ndarray:
        """Where an object is to be seen.

        Args:
            index: which of `shown`.
            size: desired (height, width) of the model input in pixels.

        Returns:
            (height, width) bool, read on the same grid as the pixels.
        """
        row, masks = int(self.shown.rows[index]), self.example.masks
        assert masks is not None
        drawn = masks.draw(row) if isinstance(masks, ObjectMasks) else masks[row]
        window = self.shown.pixels.shape[:2]
        box = self.shown.boxes[index]
        top, left = np.maximum(np.floor(box[:2]) - _SLACK, 0).astype(int)
        bottom, right = np.minimum(np.ceil(box[2:]) + _SLACK, window).astype(int)
        canvas = np.zeros(size, bool)
        part = canvas[top:bottom, left:right]
        shares = np.empty((*part.shape, 1), np.float32)
        scaled, (y, x) = place(drawn.shape, size, self.draws.scale, self.draws.offset)
        offset = y + int(top), x + int(left)
        resize_window(drawn[..., None], scaled, offset, shares, self.draws.flip)
        np.greater_equal(shares[..., 0], 0.5, out=part)
        return canvas


def copy_paste(
    target: Layer, source: Layer, settings: InputSettings, rng: np.random.Generator
) -> TrainingInput:
    """Pastes some objects of one example into another.

    Args:
        target: what is pasted into; if its `shown` has masks, the result has.
        source: whose objects are pasted.
        settings: the desired size, and how many objects there may be.
        rng: chooses the objects.

    Returns:
        The target with them, those pasted after its own.

    Raises:
        DataError: if a mask cannot be drawn.
    """
    size = settings.size
    chosen = np.flatnonzero(rng.random(len(source.shown.boxes)) < CHOSEN)
    chosen = chosen[: settings.max_objects - len(target.shown.boxes)]
    pasted = _Objects(target.shown.masks is not None, size)
    cover = np.zeros(size, bool)
    for index in chosen.tolist():
        mask = source.mask(index, size)
        if pasted.add(mask, source.shown.classes[index]):
            cover |= mask
    if not len(pasted):
        return target.shown
    left = _what_is_left(target, cover, size)
    shown = _joined(left, pasted)
    if shown.roi_boxes is not None and shown.roi_features is not None:
        hidden = covered_share(cover, shown.roi_boxes) > COVERED
        shown = shown._replace(
            roi_boxes=np.where(hidden[:, None], np.float32(-1), shown.roi_boxes),
            roi_features=np.where(hidden[:, None], np.float32(0), shown.roi_features),
        )
    return shown._replace(
        pixels=_composed(target.shown.pixels, source.shown.pixels, cover)
    )


def covered_share(cover: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How much of each box is covered.

    Args:
        cover: (H, W) bool.
        boxes: (N, 4) float32 y1 x1 y2 x2 in pixels of it; widened to whole pixels.

    Returns:
        (N,) float from 0 to 1; 0 for boxes without area.

    Example:
        >>> cover = np.arange(4) < np.ones((4, 1)) * 2
        >>> covered_share(cover, np.array([[0, 0, 4, 4], [1, 1, 2, 2]])).tolist()
        [0.5, 1.0]
    """
    sums = np.zeros((cover.shape[0] + 1, cover.shape[1] + 1), np.int64)
    sums[1:, 1:] = cover.cumsum(axis=0, dtype=np.int32).cumsum(axis=1)
    limit = np.array(cover.shape)
    (y1, x1) = np.floor(boxes[:, :2]).clip(0, limit).astype(int).T
    (y2, x2) = np.ceil(boxes[:, 2:]).clip(0, limit).astype(int).T
    inside = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    area = (y2 - y1) * (x2 - x1)
    flat = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    return np.where(flat, 0, inside / np.maximum(area, 1))


class _Objects:
    """Objects whose boxes and masks are read off where they are to be seen."""

    def __init__(self, masks: bool, size: Size) -> None:
        # Boxes end a pixel before the border (released behaviour).
        self._limit = np.array([*size, *size], np.float32) - 1
        self._masks = masks
        self.boxes: list[np.ndarray] = []
        self.classes: list[int] = []
        self.crops: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.boxes)

    def add(self, mask: np.ndarray, label: int) -> bool:
        """Adds one, unless too little of it is to be seen for a box."""
        ys, xs = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if not len(ys):
            return False
        box = np.array([ys[0], xs[0], ys[-1] + 1, xs[-1] + 1], np.float32)
        box = np.minimum(box, self._limit)
        if not (box[2:] > box[:2]).all():
            return False
        self.boxes.append(box)
        self.classes.append(label)
        if self._masks:
            self.crops.append(crop_mask(mask, box).astype(np.float16))
        return True


def _what_is_left(target: Layer, cover: np.ndarray, size: Size) -> TrainingInput:
    """The target's objects, less what is covered of them."""
    shown = target.shown
    boxes, masks = shown.boxes.copy(), shown.masks
    masks = None if masks is None else masks.copy()
    kept = np.ones(len(boxes), bool)
    touched = np.flatnonzero(covered_share(cover, _widened(boxes)) > 0)
    for index in touched.tolist():
        mask = target.mask(index, size)
        left = mask & ~cover
        before, after = int(mask.sum()), int(left.sum())
        if 0 < before == after:
            continue
        one = _Objects(masks is not None, size)
        kept[index] = after >= LEFT * before and one.add(left, 0)
        if kept[index]:
            boxes[index] = one.boxes[0]
            if masks is not None:
                masks[index] = one.crops[0]
    return shown._replace(
        boxes=boxes[kept],
        classes=shown.classes[kept],
        rows=shown.rows[kept],
        masks=None if masks is None else masks[kept],
    )


def _widened(boxes: np.ndarray) -> np.ndarray:
    return boxes + np.array([-_SLACK, -_SLACK, _SLACK, _SLACK], np.float32)


def _joined(shown: TrainingInput, pasted: _Objects) -> TrainingInput:
    masks = shown.masks
    if masks is not None:
        crops = np.array(pasted.crops).reshape(-1, MASK_SIZE, MASK_SIZE)
        masks = np.concatenate([masks, crops])
    return shown._replace(
        boxes=np.concatenate([shown.boxes, pasted.boxes]),
        classes=np.concatenate([shown.classes, np.array(pasted.classes, np.int32)]),
        rows=np.concatenate([shown.rows, np.full(len(pasted), -1)]),
        masks=masks,
    )


def _composed(under: np.ndarray, over: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Pixels of one picture with those of another where that covers it."""
    # Padding is 0 where neither is.
    height = max(under.shape[0], int(np.flatnonzero(cover.any(axis=1))[-1]) + 1)
    width = max(under.shape[1], int(np.flatnonzero(cover.any(axis=0))[-1]) + 1)
    pixels = np.zeros((height, width, 3), np.float32)
    pixels[: under.shape[0], : under.shape[1]] = under
    part = over[:height, :width]
    seen = cover[: part.shape[0], : part.shape[1]]
    np.copyto(pixels[: part.shape[0], : part.shape[1]], part, where=seen[..., None])
    return pixels
