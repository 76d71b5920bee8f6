"""A picture as a teacher looks at it: a square of its own size."""

import numpy as np
from PIL import Image


def to_square(image: np.ndarray, size: int, resize: str = "squash") -> np.ndarray:
    """Resizes a picture to a square.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: side of the square in pixels.
        resize: `"squash"` changes the proportions; `"crop"` scales the shorter
            side and cuts the middle out.

    Returns:
        (size, size, 3) uint8 RGB, resampled bicubically with antialiasing.

    Example:
        >>> to_square(np.zeros((20, 40, 3), np.uint8), 8).shape
        (8, 8, 3)
    """
    picture = Image.fromarray(image)
    if resize == "crop":
        width, height = picture.size
        # The shorter side becomes `size`, the longer one is rounded down, and the
        # cut is centred to the nearest pixel: so do CLIP's own transforms.
        short = min(width, height)
        scaled = int(size * width / short), int(size * height / short)
        picture = picture.resize(scaled, Image.Resampling.BICUBIC)
        left = round((scaled[0] - size) / 2)
        top = round((scaled[1] - size) / 2)
        picture = picture.crop((left, top, left + size, top + size))
    else:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture)
