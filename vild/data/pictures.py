"""Pictures of a dataset: kept as they lie on disk, decoded when asked for."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from vild.data.images import check_image, load_image
from vild.errors import DataError, InputError


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that is not decoded yet.

    Args:
        source: encoded bytes (JPEG, PNG or another common format), the path of a
            file of such, or (H, W, 3) uint8 RGB.
        name: what messages call it; None for the path.

    Example:
        >>> picture = Picture(np.zeros((2, 3, 3), np.uint8))
        >>> picture.decode().shape, picture.encoded()[1:4]
        ((2, 3, 3), b'PNG')
    """

    source: bytes | Path | np.ndarray
    name: str | None = None

    def __str__(self) -> str:
        if self.name is None and isinstance(self.source, Path):
            return f"The image {str(self.source)!r}"
        return "An image" if self.name is None else f"The image {self.name!r}"

    def encoded(self) -> bytes:
        """The picture as a file.

        Returns:
            The bytes as they are; an array as PNG.

        Raises:
            DataError: if the file cannot be read.
        """
        if isinstance(self.source, bytes):
            return self.source
        if isinstance(self.source, np.ndarray):
            buffer = io.BytesIO()
            Image.fromarray(check_image(self.source)).save(buffer, "PNG")
            return buffer.getvalue()
        try:
            return self.source.read_bytes()
        except FileNotFoundError:
            raise missing_file(self.source) from None
        except OSError as error:
            raise DataError(
                f"{self} cannot be read ({error.strerror or error}): check the file "
                "and its permissions."
            ) from error

    def size(self) -> tuple[int, int]:
        """Its size, from the head of the file.

        Returns:
            (height, width) in pixels, before any EXIF orientation.

        Raises:
            DataError: if it cannot be read or is no picture.
        """
        if isinstance(self.source, np.ndarray):
            return self.source.shape[0], self.source.shape[1]
        with self._opened() as image:
            return image.height, image.width

    def decode(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """Decodes it.

        The EXIF orientation is left alone, as in the released code, since boxes
        and masks were drawn on the stored pixels; it is applied only where `size`
        says that they were drawn on the turned picture.

        Args:
            size: (height, width) in pixels that it must have; None for any.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            DataError: if it cannot be read, is no picture or is of another size.
        """
        if isinstance(self.source, np.ndarray):
            image = self.source
        else:
            with self._opened() as opened:
                stored = size is None or (opened.height, opened.width) == tuple(size)
                image = self._array(opened, stored)
        if size is not None and image.shape[:2] != tuple(size):
            raise DataError(
                f"{self} is {_by(image.shape[:2])} pixels, but its annotations are "
                f"for {_by(size)}: the images do not belong to these annotations."
            )
        return image

    def _opened(self) -> Image.Image:
        try:
            return Image.open(io.BytesIO(self.encoded()))
        except DataError:
            raise
        except Exception as error:  # decoders meet damage with exceptions of any type
            raise DataError(
                f"{self} is not a picture that Pillow can read ({error}): fetch the "
                "file again."
            ) from error

    def _array(self, image: Image.Image, stored: bool) -> np.ndarray:
        try:
            if stored:
                image.getexif().pop(ExifTags.Base.Orientation, None)
            return load_image(image)
        except InputError as error:
            detail = str(error).removeprefix("the PIL image ").rstrip(".")
            raise DataError(f"{self} {detail}.") from error
        except Exception as error:  # a PNG is decoded before its EXIF is known
            raise DataError(
                f"{self} is damaged or cut short ({error}): fetch the file again."
            ) from error


def missing_file(path: Path) -> DataError:
    """What to say of a file that is not there.

    Args:
        path: of a picture.

    Returns:
        The error, to be raised.
    """
    return DataError(
        f"The image {str(path)!r} is not there: give the folder that the images lie "
        "in, fetch the missing ones, or pass missing='skip' to leave them out."
    )


def _by(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} (height x width)"
