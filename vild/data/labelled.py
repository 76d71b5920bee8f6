"""Examples of a dataset as training wants them: known classes, sound boxes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.errors import DataError, VildError


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image, decoded, and its objects with their classes.

    Attributes:
        image_id: the dataset's own.
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32 x1 y1 x2 y2 in pixels, inside the image.
        classes: (N,) int32 from 1; 0 for an object that is not learned.
        masks: N masks, not drawn, or (N, H, W) bool; None unless they were asked for.
        roi_boxes: (R, 4) float32 x1 y1 x2 y2 in pixels; None likewise.
        roi_features: (R, D) float32 of a teacher.
        annotated: (A,) int32 classes from 1 that are annotated in this image; None
            unless they were asked for.
    """

    image_id: int
    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    masks: ObjectMasks | np.ndarray | None
    roi_boxes: np.ndarray | None
    roi_features: np.ndarray | None
    annotated: np.ndarray | None = None


class LabelledExamples:
    """A dataset, read for training.

    Objects of categories without a class are not learned, nor are crowds and boxes
    without an area in their image; other boxes are cut at its border. An image
    without objects stays: all of it is background.

    Args:
        dataset: any.
        labels: category id -> class number from 1.
        masks: whether they are wanted.
        regions: whether regions for distillation and their embeddings are.
        partial: whether it is wanted which classes are annotated.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> scenes = DrawnObjects("val:4")
        >>> examples = LabelledExamples(scenes, {scenes[0].category_ids[0]: 1}, False)
        >>> int(examples[0].classes[0])
        1
    """

    def __init__(
        self,
        dataset: Dataset,
        labels: Mapping[int, int],
        masks: bool = True,
        regions: bool = False,
        partial: bool = False,
    ) -> None:
        self.dataset = dataset
        self._labels = {int(key): int(value) for key, value in labels.items()}
        self._masks, self._regions, self._partial = masks, regions, partial

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Labelled:
        """Reads and decodes an example.

        Args:
            index: 0 to length - 1.

        Returns:
            The example.

        Raises:
            DataError: if something about it cannot be used; names the image.
        """
        example = self.example(index)
        try:
            return self._labelled(example)
        except Exception as error:
            raise self._told(f"Image {example.image_id}", error) from error

    def example(self, index: int) -> Example:
        """An example as the dataset gives it, not decoded.

        Args:
            index: 0 to length - 1.

        Returns:
            The example.

        Raises:
            DataError: if the dataset cannot give it.
        """
        try:
            return self.dataset[index]
        except Exception as error:
            raise self._told(f"Image number {index} (from 0)", error) from error

    def _told(self, which: str, error: Exception) -> DataError:
        # In one piece: it may have to come from another process.
        what = str(error)
        if not isinstance(error, VildError):
            what = f"cannot be read ({type(error).__name__}: {what}): mend it."
        return DataError(f"{which} of {self.dataset.name!r}: {what}")

    def _labelled(self, example: Example) -> Labelled:
        height, width = example.size
        boxes = _checked(example.boxes, "boxes", (None, 4))
        number = len(boxes)
        if len(example.category_ids) != number or len(example.crowd) != number:
            raise DataError(
                f"it has {number} boxes, {len(example.category_ids)} categories and "
                f"{len(example.crowd)} marks of a crowd: they must be as many."
            )
        boxes = boxes.clip(0, [width, height, width, height]).astype(np.float32)
        classes = np.array(
            [self._labels.get(key, 0) for key in example.category_ids.tolist()],
            np.int32,
        )
        classes[np.asarray(example.crowd, bool)] = 0
        classes[(boxes[:, 2:] <= boxes[:, :2]).any(axis=1)] = 0
        masks = self._drawable(example, classes) if self._masks else None
        regions: tuple[np.ndarray | None, np.ndarray | None] = None, None
        if self._regions:
            regions = _regions(example)
        annotated = self._annotated(example) if self._partial else None
        return Labelled(
            example.image_id,
            example.image,
            boxes,
            classes,
            masks,
            *regions,
            annotated,
        )

    def _annotated(self, example: Example) -> np.ndarray:
        ids = self._labels if example.annotated_ids is None else example.annotated_ids
        found = {self._labels.get(int(key), 0) for key in ids}
        return np.array(sorted(found - {0}), np.int32)

    def _drawable(
        self, example: Example, classes: np.ndarray
    ) -> ObjectMasks | np.ndarray:
        masks: ObjectMasks | np.ndarray
        if example.packed_masks is None:
            if classes.any():
                raise DataError(
                    "its objects have no masks: take a dataset that has them, or set "
                    "masks=False and copy_paste=0 to train without."
                )
            return np.zeros((len(classes), 0, 0), bool)
        if isinstance(example.packed_masks, ObjectMasks):
            # Drawn later, when nobody knows any more which image they are of.
            of = f"image {example.image_id} of {self.dataset.name!r}"
            masks = replace(example.packed_masks, of=of)
            shape: tuple[int, ...] = (len(masks), *masks.size)
        else:
            masks = np.asarray(example.masks)
            shape = masks.shape
        if len(shape) != 3 or shape[0] != len(classes):
            raise DataError(
                f"it has {shape[0]} masks for {len(classes)} boxes: they must be as "
                "many."
            )
        if shape[1:] != tuple(example.size):
            raise DataError(
                f"its masks are {shape[1:]} pixels, but it is {tuple(example.size)} "
                "(height, width): they do not belong together."
            )
        return masks


def _regions(example: Example) -> tuple[np.ndarray, np.ndarray]:
    if example.roi_boxes is None or example.roi_features is None:
        raise DataError(
            "it has no regions with a teacher's embeddings, which distillation "
            "learns from: write them into the dataset, or set distill=False."
        )
    boxes = _checked(example.roi_boxes, "roi_boxes", (None, 4))
    features = _checked(example.roi_features, "roi_features", (len(boxes), None))
    return boxes, features


def _checked(
    value: np.ndarray, name: str, shape: tuple[int | None, int | None]
) -> np.ndarray:
    value = np.asarray(value, np.float32)
    fits = value.ndim == 2 and all(
        want in (None, got) for want, got in zip(shape, value.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise DataError(
            f"its {name} must be of shape ({wanted}), but they are {value.shape}."
        )
    if not np.isfinite(value).all():
        raise DataError(f"its {name} have numbers that are not finite: mend them.")
    return value
