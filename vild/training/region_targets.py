"""What the region heads should say about a sample of regions."""

from typing import Any, NamedTuple

from vild.backends import keras, kernels
from vild.ops import boxes as box_ops
from vild.ops.roi_crop import taps
from vild.training.sampling import choose

ops = keras.ops

# A region that overlaps an object more than this is on it.
ON_OBJECT = 0.5

# Keeps the union of two boxes of zeros from being 0 (released behaviour).
_EPSILON = 1e-8


class RegionSample(NamedTuple):
    """Regions of a batch that learn.

    Attributes:
        boxes: (B, S, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        matched: (B, S, 4) float32, the object that each is on; zeros for none.
        classes: (B, S) int32, 0 for background.
        objects: (B, S) int32, row of the object; 0 for background.
    """

    boxes: Any
    matched: Any
    classes: Any
    objects: Any


def match_regions(regions: Any, boxes: Any, classes: Any) -> tuple[Any, Any, Any, Any]:
    """The object that overlaps each region most.

    Args:
        regions: (B, R, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        boxes: (B, G, 4) float32 of the objects; rows whose coordinates are all below
            0 only fill up.
        classes: (B, G) int32 of the objects, from 1.

    Returns:
        `matched` (B, R, 4) float32, `classes` (B, R) int32, `objects` (B, R) int32
        and `ious` (B, R) float32. Without any overlap: zeros, 0, -1. The overlap
        is -1 if the image has no objects.

    Source: released behaviour.
    """
    ious = box_ops.overlap(regions, boxes, _EPSILON)
    padded = ops.max(boxes, axis=-1) < 0
    ious = ops.where(padded[:, None, :], -1.0, ious)
    objects = ops.cast(ops.argmax(ious, axis=2), "int32")
    highest = ops.max(ious, axis=2)
    found = highest > 0
    matched = ops.take_along_axis(boxes, objects[..., None], axis=1)
    labels = ops.take_along_axis(ops.cast(classes, "int32"), objects, axis=1)
    return (
        ops.where(found[..., None], matched, 0.0),
        ops.where(found, labels, 0),
        ops.where(found, objects, -1),
        highest,
    )


def sample_regions(
    proposals: Any,
    boxes: Any,
    classes: Any,
    noise: Any,
    samples: int = 512,
    positives: int = 128,
) -> RegionSample:
    """A random sample of the proposals and the objects themselves.

    Args:
        proposals: (B, P, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        boxes: (B, G, 4) float32 of the objects; padded with rows of -1.
        classes: (B, G) int32 of the objects, from 1.
        noise: (B, P + G) float32 from [0, 1).
        samples: regions of an image that learn.
        positives: how many of them at most are on objects, unless there are too
            few others.

    Returns:
        The sample in order of proposals. If there are too few candidates, the first
        of the others fill up as background. Rows of padding are candidates for
        background too.

    Source: released behaviour.
    """
    regions = ops.concatenate([proposals, boxes], axis=1)
    matched, labels, objects, ious = match_regions(regions, boxes, classes)
    on = ious > ON_OBJECT
    # Exactly at the threshold is neither (released behaviour).
    off = ops.logical_and(ious >= 0, ious < ON_OBJECT)
    labels = ops.where(on, labels, 0)
    objects = ops.where(on, objects, ops.maximum(ops.where(off, 0, objects), 0))

    # One order for all: sampled objects, background, spare objects, fill.
    size = regions.shape[1]
    first = choose(on, noise, positives)
    place = ops.arange(size, dtype="float32")[None] / size
    keys = ops.where(on, 1.0 + 0.5 * noise, -place)
    keys = ops.where(off, 2.0 + 0.5 * noise, keys)
    keys = ops.where(first, 3.0, keys)
    chosen = kernels.top_k(keys, min(samples, size))[1]
    # Ascending: the largest of the negated positions first.
    order = -ops.cast(chosen, "float32")
    chosen = ops.cast(-kernels.top_k(order, chosen.shape[1])[0], "int32")
    take = ops.take_along_axis
    return RegionSample(
        take(regions, chosen[..., None], axis=1),
        take(matched, chosen[..., None], axis=1),
        take(labels, chosen, axis=1),
        take(objects, chosen, axis=1),
    )


def region_boxes(sample: RegionSample) -> Any:
    """The box targets of sampled regions.

    Args:
        sample: of `sample_regions`.

    Returns:
        (B, S, 4) float32, encoded with the region head's weights; zeros for
        background.

    Source: released behaviour.
    """
    on = (sample.classes > 0)[..., None]
    matched = ops.where(on, sample.matched, sample.boxes)  # no log of 0
    targets = box_ops.encode(matched, sample.boxes, box_ops.REGION_WEIGHTS)
    return ops.where(on, targets, 0.0)


def sample_masks(sample: RegionSample, number: int = 128) -> RegionSample:
    """The regions whose masks learn: the first that are on objects.

    Args:
        sample: of `sample_regions`.
        number: how many; background fills up, with class 0.

    Returns:
        A sample of `number` regions.

    Source: released behaviour.
    """
    on = ops.cast(sample.classes > 0, "float32")
    number = min(number, on.shape[1])
    chosen = kernels.top_k(on, number)[1]  # ties stay in order
    take = ops.take_along_axis
    return RegionSample(
        take(sample.boxes, chosen[..., None], axis=1),
        take(sample.matched, chosen[..., None], axis=1),
        take(sample.classes, chosen, axis=1),
        take(sample.objects, chosen, axis=1),
    )


def mask_targets(masks: Any, sample: RegionSample, size: int = 28) -> Any:
    """The masks of objects as the regions on them see them.

    Args:
        masks: (B, G, S, S) of the objects inside their boxes, 0 to 1.
        sample: of `sample_masks`.
        size: height and width of a target.

    Returns:
        (B, M, size, size) float32, 0 to 1, not thresholded.

    Source: released behaviour.
    """
    batch, number = sample.classes.shape
    side = masks.shape[2]
    border = 2  # so that a region that is larger than the object sees its outside
    wide = side + 2 * border
    chosen = ops.take_along_axis(
        ops.reshape(ops.cast(masks, "float32"), (batch, -1, side * side)),
        sample.objects[..., None],
        axis=1,
    )
    chosen = ops.reshape(chosen, (batch, number, side, side))
    chosen = ops.pad(chosen, ((0, 0), (0, 0), (border, border), (border, border)))
    y1, x1, y2, x2 = ops.unstack(sample.boxes, axis=-1)
    top, left, bottom, right = ops.unstack(sample.matched, axis=-1)
    tall, broad = bottom - top + _EPSILON, right - left + _EPSILON
    limit = ops.full(sample.classes.shape, wide - 1.0)
    ys = taps((y1 - top) * side / tall + border, (y2 - y1) * side / tall, limit, size)
    xs = taps(
        (x1 - left) * side / broad + border, (x2 - x1) * side / broad, limit, size
    )
    # As products with matrices of two weights a row, which suits every device.
    return ops.einsum(
        "bmih,bmhw,bmjw->bmij", _matrix(ys, wide), chosen, _matrix(xs, wide)
    )


def _matrix(samples: tuple[Any, Any], wide: int) -> Any:
    """Bilinear samples of an interval as (B, M, size, wide) float32."""
    return sum(
        weight[..., None] * ops.one_hot(index, wide, dtype="float32")
        for index, weight in zip(*samples, strict=True)
    )
