"""How much detections and objects overlap: intersection over union."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from vild.data.object_masks import ObjectMasks
from vild.data.rle import encode_rle
from vild.errors import BackendError, InputError
from vild.evaluation.predictions import Predictions
from vild.evaluation.truth import Truth


class Overlaps(Protocol):
    """Overlaps of pairs."""

    def __call__(self, found: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Computes them.

        Args:
            found: (P,) numbers of detections.
            real: (P,) numbers of objects. Pairs of one image and one category lie
                together, each of its detections with each of its objects in turn.

        Returns:
            (P,) float64; for a crowd the part of the detection that is in it.
        """
        ...


class BoxOverlaps:
    """Overlaps of boxes, to the last bit those of the COCO API.

    Args:
        truth: the objects.
        predictions: the detections.
    """

    def __init__(self, truth: Truth, predictions: Predictions) -> None:
        self._truth, self._predictions = truth, predictions

    def __call__(self, found: np.ndarray, real: np.ndarray) -> np.ndarray:
        """See `Overlaps`."""
        a, b = self._predictions.boxes[found], self._truth.boxes[real]
        low = np.maximum(a[:, :2], b[:, :2])
        sides = np.minimum(a[:, 2:] + a[:, :2], b[:, 2:] + b[:, :2]) - low
        inside = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0)
        area, other = a[:, 2] * a[:, 3], b[:, 2] * b[:, 3]
        whole = np.where(self._truth.crowd[real], area, area + other - inside)
        return np.divide(inside, whole, out=np.zeros(len(a)), where=inside > 0)


class MaskOverlaps:
    """Overlaps of masks, by the COCO mask API.

    Args:
        truth: the objects.
        predictions: the detections, with masks.

    Raises:
        BackendError: if pycocotools is not installed.
    """

    def __init__(self, truth: Truth, predictions: Predictions) -> None:
        self._truth, self._predictions = truth, predictions
        self._api = mask_api()

    def __call__(self, found: np.ndarray, real: np.ndarray) -> np.ndarray:
        """See `Overlaps`."""
        truth, mask = self._truth, self._predictions.mask
        assert mask is not None
        image = truth.key(truth.image[real], truth.category[real])
        starts = np.flatnonzero(np.r_[True, image[1:] != image[:-1]])
        overlaps = np.zeros(len(found))
        for start, stop in zip(starts, [*starts[1:], len(found)], strict=True):
            objects = real[start : start + _run(found[start:stop])]
            size = truth.sizes[truth.image[objects[0]]]
            several = [self._rle(truth.segment(int(i)), size) for i in objects]
            answers = [mask(int(i)) for i in found[start : stop : len(objects)]]
            crowd = truth.crowd[objects].tolist()
            found_here = self._api.iou(answers, several, crowd)
            overlaps[start:stop] = np.asarray(found_here).ravel()
        return overlaps

    def _rle(self, segment: Any, size: Sequence[int]) -> Any:
        return to_rle(segment, size, self._api)


def to_rle(segment: Any, size: Sequence[int], api: Any) -> Any:
    """A mask as annotated -> compressed run lengths.

    Args:
        segment: see `vild.data.object_masks.Segment`.
        size: height and width of the image in pixels.
        api: `mask_api()`.

    Returns:
        `{"size": [H, W], "counts": bytes or str}`.

    Raises:
        InputError: if plain run lengths do not add up.
    """
    height, width = (int(side) for side in size)
    if isinstance(segment, bytes):
        return encode_rle(ObjectMasks([segment], (height, width)).draw(0))
    if not isinstance(segment, Mapping):
        return api.merge(api.frPyObjects([p.tolist() for p in segment], height, width))
    if isinstance(segment["counts"], str | bytes):
        return segment
    counts = np.asarray(segment["counts"], np.int64)
    if (counts < 0).any() or counts.sum() != height * width:
        raise InputError(f"the runs do not cover {height} x {width} pixels")
    counts = counts.tolist()
    return api.frPyObjects({"size": segment["size"], "counts": counts}, height, width)


def mask_api() -> Any:
    """The COCO mask API.

    Returns:
        `pycocotools.mask`.

    Raises:
        BackendError: if it is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError as error:
        raise BackendError(
            "Masks are compared with pycocotools, which is not installed: run "
            "pip install 'vild[evaluate]', or evaluate boxes only, masks=False."
        ) from error
    return mask


def _run(found: np.ndarray) -> int:
    """How many objects the first detection is paired with."""
    return int((found == found[0]).sum())
