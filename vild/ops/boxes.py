"""Box arithmetic inside the model: y1 x1 y2 x2, pixels of the model input.

The released code measures boxes in two ways, and both are kept because the
weights were trained with them: `decode` and `encode` count pixels (a box from
0 to 9 is 10 high), `overlap` does not (it is 9 high).
"""

import math
from typing import Any

from vild.backends import keras

ops = keras.ops

# exp() of a size delta is clamped from above only: 1000/16 is the largest
# growth of a box (released behaviour).
MAX_SIZE_DELTA = math.log(1000.0 / 16.0)

# Weights of the box head's deltas; those of the RPN are all one.
REGION_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def _centre_size(boxes: Any) -> tuple[Any, Any, Any, Any]:
    """Returns centre y, centre x, height, width; a box counts its last pixel."""
    y1, x1, y2, x2 = ops.split(boxes, 4, axis=-1)
    height, width = y2 - y1 + 1.0, x2 - x1 + 1.0
    return y1 + 0.5 * height, x1 + 0.5 * width, height, width


def decode(
    deltas: Any, anchors: Any, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
) -> Any:
    """Moves anchors by predicted deltas.

    Args:
        deltas: (..., 4) float32, dy dx dh dw.
        anchors: (..., 4) float32, y1 x1 y2 x2 in pixels.
        weights: what the deltas were multiplied by when they were encoded.

    Returns:
        (..., 4) float32, y1 x1 y2 x2 in pixels, not clipped.

    Example:
        >>> decode(np.zeros((1, 4), "float32"), np.array([[0, 0, 9, 9]], "float32"))
        [[0, 0, 9, 9]]

    Source: released behaviour.
    """
    dy, dx, dh, dw = (
        delta / weight
        for delta, weight in zip(ops.split(deltas, 4, axis=-1), weights, strict=True)
    )
    cy, cx, height, width = _centre_size(anchors)
    dh, dw = ops.minimum(dh, MAX_SIZE_DELTA), ops.minimum(dw, MAX_SIZE_DELTA)
    new_height, new_width = ops.exp(dh) * height, ops.exp(dw) * width
    y1 = dy * height + cy - 0.5 * new_height
    x1 = dx * width + cx - 0.5 * new_width
    return ops.concatenate([y1, x1, y1 + new_height - 1.0, x1 + new_width - 1.0], -1)


def encode(
    boxes: Any, anchors: Any, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
) -> Any:
    """Expresses boxes as deltas relative to anchors; the inverse of `decode`.

    Args:
        boxes: (..., 4) float32, y1 x1 y2 x2 in pixels.
        anchors: (..., 4) float32, y1 x1 y2 x2 in pixels.
        weights: factors for dy, dx, dh, dw.

    Returns:
        (..., 4) float32, dy dx dh dw.

    Source: released behaviour.
    """
    cy, cx, height, width = _centre_size(boxes)
    anchor_cy, anchor_cx, anchor_height, anchor_width = _centre_size(anchors)
    deltas = (
        (cy - anchor_cy) / anchor_height,
        (cx - anchor_cx) / anchor_width,
        ops.log(height / anchor_height),
        ops.log(width / anchor_width),
    )
    return ops.concatenate(
        [delta * weight for delta, weight in zip(deltas, weights, strict=True)], -1
    )


def clip(boxes: Any, image_shape: Any) -> Any:
    """Clips boxes to [0, height - 1] and [0, width - 1].

    Args:
        boxes: (B, N, 4) float32, y1 x1 y2 x2 in pixels.
        image_shape: (B, 2) float32, height and width. The detector passes the
            desired size here, not the size of the scaled photo, so boxes may
            reach into the padding (released behaviour).

    Returns:
        (B, N, 4) float32.
    """
    limit = ops.cast(image_shape, boxes.dtype)[:, None, :] - 1.0
    limit = ops.concatenate([limit, limit], axis=-1)
    return ops.maximum(ops.minimum(boxes, limit), 0.0)


def overlap(a: Any, b: Any, epsilon: float = 0.0) -> Any:
    """Intersection over union of every box of `a` with every box of `b`.

    Args:
        a: (B, N, 4) float32, y1 x1 y2 x2.
        b: (B, M, 4) float32, y1 x1 y2 x2.
        epsilon: added to the union. The RPN's suppression and the RoI sampler
            use 1e-8, the final suppression none (released behaviour).

    Returns:
        (B, N, M) float32; 0 where the intersection is empty.
    """
    a, b = a[:, :, None, :], b[:, None, :, :]
    height = ops.minimum(a[..., 2], b[..., 2]) - ops.maximum(a[..., 0], b[..., 0])
    width = ops.minimum(a[..., 3], b[..., 3]) - ops.maximum(a[..., 1], b[..., 1])
    intersection = ops.maximum(height, 0.0) * ops.maximum(width, 0.0)
    union = _area(a) + _area(b) - intersection + epsilon
    # Zero-area boxes overlap nothing, themselves included.
    safe = ops.where(intersection > 0.0, union, 1.0)
    return ops.where(intersection > 0.0, intersection / safe, 0.0)


def beyond_origin(boxes: Any) -> Any:
    """Whether a box has any coordinate above 0.

    Both suppressions of the release drop the others: they use boxes of zeros
    for padding, and a box squeezed into the corner looks the same.

    Args:
        boxes: (..., 4) float32.

    Returns:
        (...) bool.
    """
    return ops.any(boxes > 0.0, axis=-1)


def _area(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
