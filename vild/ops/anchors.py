"""Anchor boxes of the feature pyramid; constants of the input size."""

import functools

import numpy as np

ASPECT_RATIOS = (1.0, 2.0, 0.5)  # width / height, in the released order
ANCHOR_SIZE = 8.0  # base size in strides


@functools.lru_cache(maxsize=64)
def level_anchors(height: int, width: int, level: int) -> np.ndarray:
    """Anchors of one pyramid level.

    Args:
        height: rows of the level's feature map.
        width: columns of the level's feature map.
        level: pyramid level; the stride is 2**level pixels.

    Returns:
        (height * width * 3, 4) float32, y1 x1 y2 x2 in pixels of the model
        input, not clipped, ordered by row, column, aspect ratio (1, 2, 1/2),
        which is how RPN maps of shape (height, width, 3) flatten.

    Example:
        >>> level_anchors(1, 1, 2)[0]
        array([-14., -14.,  18.,  18.], dtype=float32)

    Source: released behaviour.
    """
    stride = 2**level
    y = (np.arange(height) * stride + stride / 2)[:, None, None]
    x = (np.arange(width) * stride + stride / 2)[None, :, None]
    root = np.sqrt(np.asarray(ASPECT_RATIOS))
    half_height = ANCHOR_SIZE * stride / root / 2
    half_width = ANCHOR_SIZE * stride * root / 2
    corners = np.broadcast_arrays(
        y - half_height, x - half_width, y + half_height, x + half_width
    )
    boxes = np.stack(corners, axis=-1).reshape(-1, 4).astype("float32")
    boxes.flags.writeable = False  # shared between callers by the cache
    return boxes
