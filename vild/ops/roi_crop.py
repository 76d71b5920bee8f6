"""Crops regions of interest out of the feature pyramid.

One bilinear sample is taken at the centre of every output cell, and a sample
position is used directly as feature index (no half-cell shift), as released.
"""

import math
from collections.abc import Sequence
from typing import Any

from vild.backends import keras, kernels

ops = keras.ops

# A box of this size (pixels) belongs to this level.
CANONICAL_SIZE = 224.0
CANONICAL_LEVEL = 4


def region_levels(
    boxes: Any, first: int, last: int, canonical: float = CANONICAL_SIZE
) -> Any:
    """The pyramid level that each box is cropped from.

    Args:
        boxes: (B, N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        first: lowest level there is.
        last: highest level there is.
        canonical: size in pixels of a box that belongs to level 4.

    Returns:
        (B, N) int32.

    Source: released behaviour.
    """
    height = boxes[..., 2] - boxes[..., 0]
    width = boxes[..., 3] - boxes[..., 1]
    size = ops.sqrt(ops.maximum(height * width, 0.0))
    # An empty box would give log(0); a tiny one lands on the lowest level too.
    size = ops.maximum(size, 1e-6)
    level = ops.floor(ops.log(size / canonical) / math.log(2.0)) + CANONICAL_LEVEL
    return ops.cast(ops.clip(level, first, last), "int32")


def taps(start: Any, extent: Any, limit: Any, size: int) -> tuple[Any, Any]:
    """Two feature indices and weights for each of `size` samples of an interval.

    Args:
        start: (B, N) float32, in cells of the region's level.
        extent: (B, N) float32, in cells.
        limit: (B, N) float32, last cell of the map.
        size: number of samples.

    Returns:
        Two lists of two (B, N, size): int32 indices and float32 weights. The
        weights refer to the clamped index, so outside the map they
        extrapolate (released behaviour).
    """
    centres = (ops.arange(size, dtype="float32") + 0.5) / size
    position = start[..., None] + centres * extent[..., None]
    limit = limit[..., None]
    low = ops.maximum(ops.minimum(ops.floor(position), limit), 0.0)
    high = ops.minimum(low + 1.0, limit)
    fraction = position - low
    indices = [ops.cast(low, "int32"), ops.cast(high, "int32")]
    return indices, [1.0 - fraction, fraction]


def roi_crop(
    features: Sequence[Any],
    first: int,
    boxes: Any,
    size: int,
    canonical: float = CANONICAL_SIZE,
) -> Any:
    """Crops each box from the level that fits its size.

    Args:
        features: (B, h, w, C) maps of consecutive levels, the first one first;
            each is half as high and wide as the one before.
        first: level of the first map.
        boxes: (B, N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        size: height and width of a crop in cells.
        canonical: as for `region_levels`.

    Returns:
        (B, N, size, size, C) in the dtype of the features.

    Source: released behaviour ("multilevel crop and resize").
    """
    batch = ops.shape(boxes)[0]
    number, channels = boxes.shape[1], features[0].shape[-1]
    shapes = [(feature.shape[1], feature.shape[2]) for feature in features]
    offsets, rows = [], 0
    for height, width in shapes:
        offsets.append(rows)
        rows += height * width

    level = region_levels(boxes, first, first + len(features) - 1, canonical)
    stride = ops.cast(2**level, "float32")[..., None]
    index = level - first
    last_row = ops.take(ops.array([h - 1.0 for h, _ in shapes], "float32"), index)
    last_column = ops.take(ops.array([w - 1.0 for _, w in shapes], "float32"), index)
    widths = ops.take(ops.array([w for _, w in shapes], "int32"), index)
    offset = ops.take(ops.array(offsets, "int32"), index)

    y1, x1, y2, x2 = ops.unstack(boxes / stride, axis=-1)
    ys, y_weights = taps(y1, y2 - y1, last_row, size)
    xs, x_weights = taps(x1, x2 - x1, last_column, size)

    # All levels of all images are one table of rows; a tap is a row number.
    table = ops.concatenate(
        [ops.reshape(feature, (batch, -1, channels)) for feature in features], axis=1
    )
    table = ops.reshape(table, (-1, channels))
    image = ops.arange(batch, dtype="int32")[:, None] * rows
    base = (offset + image)[..., None, None]
    rows_of_taps, weights = [], []
    for y, y_weight in zip(ys, y_weights, strict=True):
        for x, x_weight in zip(xs, x_weights, strict=True):
            row = y[..., :, None] * widths[..., None, None] + x[..., None, :]
            rows_of_taps.append(ops.reshape(base + row, (-1,)))
            weight = y_weight[..., :, None] * x_weight[..., None, :]
            weights.append(ops.reshape(weight, (-1,)))
    crops = kernels.weighted_gather(
        table, ops.stack(rows_of_taps, axis=-1), ops.stack(weights, axis=-1)
    )
    return ops.reshape(crops, (batch, number, size, size, channels))
