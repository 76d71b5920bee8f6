"""From a photo to the model input: resize, normalise, pad, as released.

Sizes are (height, width). The same placement serves detection (the whole photo,
no offset) and training (random scale, random crop).
"""

import operator
from collections.abc import Sequence

import numpy as np

from vild.data.images import check_image
from vild.data.resizing import resize_window
from vild.errors import InputError

MEAN = (0.485, 0.456, 0.406)
"""Mean of the RGB channels, in [0, 1] (released behaviour: ImageNet)."""
STD = (0.229, 0.224, 0.225)
"""Standard deviation of the RGB channels, in [0, 1] (released behaviour)."""

Size = tuple[int, int]


# Far more than any memory holds the features of; catches slips of the finger.
LARGEST_SIDE = 1 << 15


def canonical_size(image_size: int | Sequence[int]) -> Size:
    """Return the desired size of the model input as (height, width).

    Args:
        image_size: One side for a square, or (height, width), in pixels.

    Returns:
        (height, width), two positive ints.

    Raises:
        InputError: Not one or two whole numbers from 1 to `LARGEST_SIDE`.

    Example:
        >>> canonical_size(640)
        (640, 640)
    """
    try:
        if isinstance(image_size, Sequence | np.ndarray):
            height, width = (_whole(side) for side in image_size)
        else:
            height = width = _whole(image_size)
    except (TypeError, ValueError):
        height = width = 0
    if not 1 <= min(height, width) <= max(height, width) <= LARGEST_SIDE:
        raise InputError(
            "image_size must be a whole number or (height, width) in pixels, from 1 to "
            f"{LARGEST_SIDE}, but {image_size!r} was given; use for example 640 or "
            "(480, 640)"
        )
    return height, width


def padded_size(size: Size, multiple: int = 64) -> Size:
    """Return the desired size rounded up to a multiple, the size of the model input.

    Args:
        size: Desired (height, width) in pixels.
        multiple: Stride of the coarsest pyramid level.

    Returns:
        (height, width), the shape of the model input.

    Raises:
        InputError: The multiple is not a positive whole number.

    Example:
        >>> padded_size((200, 300))
        (256, 320)
    """
    if multiple < 1:
        raise InputError(f"multiple must be at least 1, but {multiple!r} was given")
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def place(
    image_size: Size,
    size: Size,
    scale: float = 1.0,
    draws: tuple[float, float] = (0.0, 0.0),
) -> tuple[Size, Size]:
    """Say how large a photo becomes and where the input's window on it begins.

    The photo keeps its aspect ratio and fits `scale` times the desired size; small
    photos are enlarged. All rounding is in float32, half to even. A side is at
    least 1 pixel, where the released code would fail (aspect ratios beyond 1:1000).

    Args:
        image_size: (height, width) of the photo in pixels.
        size: Desired (height, width) of the model input in pixels.
        scale: Scale jitter; 1 for detection, uniform in [0.1, 2] in training.
        draws: (y, x) in [0, 1): which part of the room for a crop to use.

    Returns:
        The scaled (height, width) of the photo, and the (y, x) offset of the crop
        in scaled pixels.

    Example:
        >>> place((300, 600), (100, 100), scale=2.0, draws=(0.5, 0.5))
        ((100, 200), (0, 50))
    """
    original = np.array(image_size, np.float32)
    target = np.rint(np.float32(scale) * np.array(size, np.float32))
    factor = np.min(target / original)
    scaled = np.maximum(np.rint(original * factor), 1)
    room = np.maximum(scaled - np.array(size, np.float32), 0)
    offset = np.trunc(room * np.array(draws, np.float32))
    return (int(scaled[0]), int(scaled[1])), (int(offset[0]), int(offset[1]))


def resize_legacy(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize bilinearly on the legacy grid: no half-pixel centre, no antialiasing.

    Destination index i reads source position i * in / out, so the first pixels
    coincide (released behaviour: TensorFlow's first `resize_bilinear`).

    Args:
        image: (H, W, C) uint8 or float32.
        size: (height, width) to reach, in pixels.

    Returns:
        (height, width, C) float32, in the units of `image`.

    Example:
        >>> import numpy as np
        >>> ramp = np.array([[[0.0], [2.0]]], np.float32)
        >>> resize_legacy(ramp, (1, 4))[0, :, 0].tolist()
        [0.0, 1.0, 2.0, 2.0]
    """
    pixels = np.empty((*size, image.shape[2]), np.float32)
    resize_window(image, size, (0, 0), pixels)
    return pixels


def resize_crop_pad(
    image: np.ndarray,
    scaled: Size,
    size: Size,
    offset: Size = (0, 0),
    multiple: int = 64,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> tuple[np.ndarray, np.ndarray]:
    """Resize a photo to `scaled`, crop `size` from `offset`, normalise, pad with 0.

    Only the pixels inside the crop are computed.

    Args:
        image: (H, W, 3) uint8 RGB.
        scaled: (height, width) of the whole photo after resizing.
        size: Desired (height, width): how much is kept from the offset on.
        offset: (y, x) of the crop in scaled pixels.
        multiple: The result is padded at the bottom and right to this multiple.
        mean: Mean of the three channels, in [0, 1].
        std: Standard deviation of the three channels, in [0, 1].

    Returns:
        The (Hp, Wp, 3) float32 model input, and the (5, 2) float32 image info,
        each row (y, x): original size, desired size, scale from the original to
        the scaled photo, offset, padded size (released behaviour).

    Example:
        >>> import numpy as np
        >>> photo = np.zeros((30, 40, 3), np.uint8)
        >>> pixels, info = resize_crop_pad(photo, (60, 80), (64, 64), (0, 10))
        >>> pixels.shape, info[3].tolist()
        ((64, 64, 3), [0.0, 10.0])
    """
    padded = padded_size(size, multiple)
    pixels = np.zeros((*padded, 3), np.float32)
    height, width = window_size(scaled, size, offset)
    resize_crop(image, scaled, offset, pixels[:height, :width], mean, std)
    return pixels, image_info(image.shape[:2], scaled, size, offset, padded)


def window_size(scaled: Size, size: Size, offset: Size = (0, 0)) -> Size:
    """How much of the desired size a photo covers, from its top left corner on.

    Args:
        scaled: (height, width) of the whole photo after resizing.
        size: Desired (height, width) in pixels.
        offset: (y, x) of the crop in scaled pixels.

    Returns:
        (height, width) in pixels.

    Example:
        >>> window_size((60, 80), (64, 64), (0, 10))
        (60, 64)
    """
    return min(size[0], scaled[0] - offset[0]), min(size[1], scaled[1] - offset[1])


def resize_crop(
    image: np.ndarray,
    scaled: Size,
    offset: Size,
    out: np.ndarray,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    flip: bool = False,
) -> None:
    """Resize a photo to `scaled`, crop it from `offset` on and normalise it.

    Only the pixels inside the crop are computed.

    Args:
        image: (H, W, 3) uint8 RGB.
        scaled: (height, width) of the whole photo after resizing.
        offset: (y, x) of the crop in scaled pixels.
        out: (h, w, 3) float32, the crop, which is filled.
        mean: Mean of the three channels, in [0, 1].
        std: Standard deviation of the three channels, in [0, 1].
        flip: Whether the photo is turned left for right first.

    Example:
        >>> import numpy as np
        >>> out = np.empty((2, 3, 3), np.float32)
        >>> resize_crop(np.zeros((4, 6, 3), np.uint8), (4, 6), (1, 2), out)
        >>> out[0, 0].round(2).tolist()
        [-2.119999885559082, -2.0399999618530273, -1.7999999523162842]
    """
    # Normalising is linear: done after the resize it costs less and changes nothing
    # beyond rounding. Padding stays exactly 0, since it comes last as released.
    shift, spread = np.array(mean, np.float64), np.array(std, np.float64)
    gain = (1 / (255 * spread)).astype(np.float32)
    resize_window(
        image, scaled, offset, out, flip, gain, (shift / spread).astype(np.float32)
    )


def image_info(
    original: Sequence[int], scaled: Size, size: Size, offset: Size, padded: Size
) -> np.ndarray:
    """The numbers that lead back from the model input to the photo.

    Args:
        original: (height, width) of the photo in pixels.
        scaled: (height, width) of the whole photo after resizing.
        size: Desired (height, width) in pixels.
        offset: (y, x) of the crop in scaled pixels.
        padded: (height, width) of the model input in pixels.

    Returns:
        (5, 2) float32, each row (y, x): original size, desired size, scale from the
        original to the scaled photo, offset, padded size (released behaviour).

    Example:
        >>> image_info((30, 40), (60, 80), (64, 64), (0, 10), (64, 64))[2].tolist()
        [2.0, 2.0]
    """
    before = np.array(original, np.float32)
    scale = np.array(scaled, np.float32) / before
    return np.array([before, size, scale, offset, padded], np.float32)


def preprocess(
    image: np.ndarray,
    image_size: int | Sequence[int],
    multiple: int = 64,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn a photo into the model input and the numbers that lead back from it.

    A box of the photo times row 2 of the image info is the box in the input. Row 1
    holds the desired size, not the scaled one (released behaviour).

    Args:
        image: (H, W, 3) uint8 RGB.
        image_size: Desired size in pixels: one side, or (height, width).
        multiple: The input is padded at the bottom and right to this multiple.
        mean: Mean of the three channels, in [0, 1].
        std: Standard deviation of the three channels, in [0, 1].

    Returns:
        The (Hp, Wp, 3) float32 model input, and the (5, 2) float32 image info,
        each row (y, x): original size, desired size, scale, offset (0), padded size.

    Raises:
        InputError: The image is not (H, W, 3) uint8, or the size is not a size.

    Example:
        >>> import numpy as np
        >>> pixels, info = preprocess(np.zeros((90, 160, 3), np.uint8), 250)
        >>> pixels.shape, info[2].tolist()
        ((256, 256, 3), [1.5666667222976685, 1.5625])
    """
    size = canonical_size(image_size)
    scaled, offset = place(check_image(image).shape[:2], size)
    return resize_crop_pad(image, scaled, size, offset, multiple, mean, std)


def _whole(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError("a bool is not a size")
    return operator.index(value)  # type: ignore[arg-type]
