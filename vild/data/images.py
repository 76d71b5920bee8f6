"""Any picture a user may have in hand, as one (H, W, 3) uint8 RGB array."""

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from vild.errors import InputError

ImageLike: TypeAlias = str | os.PathLike[str] | Image.Image | np.ndarray
"""What `load_image` accepts: a path, a PIL image, or an (H, W, 3) uint8 array."""


def load_image(image: ImageLike) -> np.ndarray:
    """Return a picture as an (H, W, 3) uint8 RGB array, the way a viewer shows it.

    The EXIF orientation of files and PIL images is applied, transparency is laid
    over white, and grey, palette, CMYK and 1-bit pictures become RGB. 16-bit grey
    keeps its upper 8 bits, as Pillow does for 16-bit colour. Of an animation the
    first frame is taken.

    Args:
        image: A path, a PIL image, or an (H, W, 3) uint8 RGB array. An array is
            checked and returned as it is, without a copy.

    Returns:
        The (H, W, 3) uint8 RGB array, origin at the top left.

    Raises:
        InputError: The file is missing, damaged, too large or not a picture, or
            the array has another shape or dtype; the message says how to mend it.

    Example:
        >>> from PIL import Image
        >>> load_image(Image.new("L", (4, 2))).shape
        (2, 4, 3)
    """
    if isinstance(image, np.ndarray):
        return check_image(image)
    if isinstance(image, Image.Image):
        return _decode(image, "the PIL image")
    if isinstance(image, str | os.PathLike):
        return _load_file(Path(image))
    raise InputError(
        "an image must be a path, a PIL image, or an (H, W, 3) uint8 RGB array, but "
        f"{_type_name(image)} was given; convert it with numpy.asarray(image)"
    )


def check_image(image: np.ndarray) -> np.ndarray:
    """Return the array unchanged if it is a picture: (H, W, 3) uint8, not empty.

    Args:
        image: The array to check.

    Returns:
        The same array.

    Raises:
        InputError: The shape or the dtype differs; says what to call to mend it.

    Example:
        >>> import numpy as np
        >>> check_image(np.zeros((2, 4, 3), np.uint8)).shape
        (2, 4, 3)
    """
    good_shape = image.ndim == 3 and image.shape[2] == 3 and image.size > 0
    if good_shape and image.dtype == np.uint8:
        return image
    advice = [] if good_shape else [_mend_shape(image.shape)]
    if image.dtype != np.uint8 and image.size:
        advice.append(_mend_dtype(image))
    raise InputError(
        "an image array must have shape (H, W, 3) and dtype uint8, RGB, but shape "
        f"{image.shape} and dtype {image.dtype} were given; " + ", and ".join(advice)
    )


def _mend_shape(shape: tuple[int, ...]) -> str:
    if 0 in shape:
        return "it holds no pixels: check how it was read or cropped"
    if len(shape) == 2:
        return "repeat the grey channel: numpy.stack([image] * 3, axis=-1)"
    if len(shape) == 3 and shape[2] == 4:
        return "for RGBA pass PIL.Image.fromarray(image), or drop alpha: image[..., :3]"
    if len(shape) == 3 and shape[2] == 1:
        return "repeat the grey channel: image.repeat(3, axis=-1)"
    if len(shape) == 3 and shape[0] == 3:
        return "move the channels last: image.transpose(1, 2, 0)"
    if len(shape) == 4:
        return "pass one picture of the batch: image[0]"
    return "bring it to height x width x 3 channels"


def _mend_dtype(image: np.ndarray) -> str:
    if image.dtype == np.uint16:
        return "keep the upper 8 bits: (image >> 8).astype(numpy.uint8)"
    if image.dtype == bool:
        return "scale it to 8 bits: image.astype(numpy.uint8) * 255"
    if image.dtype.kind == "f" and 0 <= np.nanmin(image) <= np.nanmax(image) <= 1:
        return "scale [0, 1] to 8 bits: (image * 255).round().astype(numpy.uint8)"
    return "convert values in [0, 255]: image.clip(0, 255).astype(numpy.uint8)"


def _load_file(path: Path) -> np.ndarray:
    name = f"the image {str(path)!r}"
    try:
        if path.is_dir():
            raise InputError(f"{name} is a folder; pass the path of one picture")
        if not path.exists():
            raise InputError(
                f"{name} does not exist; check the path (local files only)"
            )
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{name} is empty (0 bytes); fetch the file again")
    except (OSError, ValueError) as error:  # e.g. permissions, a null in the name
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} cannot be reached: {error}") from error
    try:
        opened = Image.open(path)
    except Exception as error:
        raise _unreadable(name, error) from error
    with opened:
        return _decode(opened, name)


def _decode(image: Image.Image, name: str) -> np.ndarray:
    """Turn a PIL image of any mode into the RGB array; `name` is for errors."""
    if 0 in image.size:
        raise InputError(f"{name} holds no pixels: its size is {image.size}")
    try:
        image.load()
        rgb = _to_rgb(ImageOps.exif_transpose(image), name)
    except InputError:
        raise
    except Exception as error:  # decoders meet damage with exceptions of any type
        raise _unreadable(name, error) from error
    return np.array(rgb, dtype=np.uint8)


def _unreadable(name: str, error: Exception) -> InputError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return InputError(
            f"{name} is larger than Pillow's safety limit ({error}); if you trust it, "
            "make it smaller or raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    if isinstance(error, PermissionError):
        return InputError(f"{name} may not be read: {error}")
    if isinstance(error, Image.UnidentifiedImageError):
        return InputError(
            f"{name} is not a picture that Pillow can read; expected JPEG, PNG or "
            "another common format"
        )
    return InputError(
        f"{name} is damaged or cut short ({error}); fetch or save the file again"
    )


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise InputError(
            f"{name} holds 32-bit floats (mode F), whose range is unknown; scale it to "
            "[0, 255] and save it with 8 bits"
        )
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(image, name)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image, name: str) -> np.ndarray:
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise InputError(
            f"{name} holds integers from {grey.min()} to {grey.max()}, beyond 16 bits; "
            "scale it to [0, 255] and save it with 8 bits"
        )
    # Mode I says nothing of the range: Pillow gives it for 16-bit files, people
    # for 8-bit values in wide integers.
    wide = image.mode != "I" or grey.max() > 255
    return (grey >> (8 if wide else 0)).astype(np.uint8)


def _type_name(value: object) -> str:
    kind = type(value)
    return (
        kind.__name__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}." + (kind.__qualname__)
    )
