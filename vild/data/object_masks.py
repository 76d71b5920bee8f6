"""Masks of annotated objects: kept as they were annotated, drawn when asked for."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from vild.data.polygons import Window, rasterise
from vild.data.rle import decode_rle, encode_rle
from vild.errors import DataError, InputError

Segment: TypeAlias = Sequence[np.ndarray] | Mapping[str, Any] | bytes
"""A mask as annotated: polygons, each x1 y1 x2 y2 ... in pixels; COCO run lengths
(RLE), see `vild.data.rle`; or a PNG of the image's size, 0 outside of the object."""


@dataclass(frozen=True, eq=False)
class ObjectMasks:
    """Masks of N objects, drawn when called; an index draws none.

    Args:
        segments: N masks as annotated.
        size: (H, W) of the image in pixels.
        of: which image they are of, for messages.

    Example:
        >>> square = np.array([1.0, 1, 3, 1, 3, 4, 1, 4])
        >>> masks = ObjectMasks([[square], {"size": [5, 4], "counts": [0, 20]}], (5, 4))
        >>> masks().sum(axis=(1, 2)).tolist(), masks[1:]().shape
        ([6, 20], (1, 5, 4))
    """

    segments: Sequence[Segment]
    size: tuple[int, int]
    of: str = "an image"

    @classmethod
    def pack(cls, masks: np.ndarray) -> "ObjectMasks":
        """Packs masks as run lengths.

        Args:
            masks: (N, H, W) bool.

        Returns:
            The same masks.
        """
        height, width = masks.shape[1:]
        return cls([encode_rle(mask) for mask in masks], (height, width))

    def __len__(self) -> int:
        return len(self.segments)

    def __getitem__(self, index: slice | np.ndarray) -> "ObjectMasks":
        kept = np.arange(len(self.segments))[index]
        return replace(self, segments=[self.segments[i] for i in kept])

    def __call__(self) -> np.ndarray:
        """Draws them all.

        Returns:
            (N, H, W) bool.

        Raises:
            DataError: as for `draw`.
        """
        masks = np.zeros((len(self), *self.size), bool)
        for index in range(len(self)):
            masks[index] = self.draw(index)
        return masks

    def draw(self, index: int, window: Window | None = None) -> np.ndarray:
        """Draws one mask.

        Args:
            index: which.
            window: rows and columns, from start to stop, inside of the image: how
                much of it; None for all.

        Returns:
            (H, W) bool, or as large as the window.

        Raises:
            DataError: if it is damaged or of another size than the image.
        """
        segment = self.segments[index]
        try:
            if isinstance(segment, bytes):
                mask = _decode_png(segment)
            elif isinstance(segment, Mapping):
                mask = decode_rle(segment)
            else:
                return rasterise(segment, self.size, window)
        except (DataError, InputError) as error:
            raise DataError(f"Mask {index} of {self.of}: {error}") from error
        if mask.shape != tuple(self.size):
            raise DataError(
                f"Mask {index} of {self.of} is {mask.shape} pixels, but the image is "
                f"{tuple(self.size)} (height, width): they do not belong together."
            )
        return mask if window is None else mask[window]

    def png(self, index: int) -> bytes:
        """One mask as a file.

        Args:
            index: which.

        Returns:
            A PNG with one channel of the values 0 and 1.

        Raises:
            DataError: as for `draw`.
        """
        segment = self.segments[index]
        if isinstance(segment, bytes):
            return segment
        buffer = io.BytesIO()
        Image.fromarray(self.draw(index).view(np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()


def _decode_png(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            mask = np.asarray(image)
    except Exception as error:  # decoders meet damage with exceptions of any type
        raise DataError(
            f"A mask is not a PNG that Pillow can read ({error}): write it again."
        ) from error
    if mask.ndim != 2:
        raise DataError(
            f"A mask is a picture of shape {mask.shape}, but it must have one channel "
            "with 0 outside of the object: write it again."
        )
    return mask != 0
