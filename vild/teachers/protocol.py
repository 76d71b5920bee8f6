"""What a teacher is: two encoders into one space, numpy in and out."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Teacher(Protocol):
    """An image-text model whose space regions and words share.

    Any object with these names will do; nothing has to be inherited.

    Attributes:
        name: stable over time; it goes into fingerprints and names the cache.
        dim: D, dimension of the space.
        image_size: side in pixels of the square images that it looks at.

    A teacher may have more attributes:

    - `fingerprint`: dict of strings, numbers and bools, whatever determines its
      vectors besides the three above (a pretrained tag, a digest of the weights,
      the preprocessing); None if that is not known, and then nothing that it
      computes is cached.
    - `templates`: the prompts it is asked with by default: the name of a set of
      `vild.prompts` or a list.
    - `spec`: the specification that makes it again (see `vild.teachers.get`), which a
      saved detector records; by default its name.
    - `cacheable`: False if its vectors are not worth keeping on disk.
    - `resize`: how a photo becomes a square: `"squash"` (default) changes the
      proportions, `"crop"` cuts the middle out.
    - `image_dtypes`: what images can be encoded in, the fastest first, such as
      `("bfloat16", "float32")`; with it goes a method `for_images(dtype, batch_size)`
      that gives the same teacher set up to encode many images so.

    Example:
        >>> class Letters:
        ...     name, dim, image_size = "letters", 26, 32
        ...     def encode_text(self, texts):
        ...         a = ord("a")
        ...         rows = [[1 + t.count(chr(a + i)) for i in range(26)] for t in texts]
        ...         return unit_rows(rows, 26)
        ...     def encode_image(self, images):
        ...         means = np.asarray(images, "float32").mean(axis=(1, 2, 3))
        ...         return unit_rows(1 + np.outer(means, np.arange(26)), 26)
        >>> isinstance(Letters(), Teacher)
        True

    Source: paper section 3.2, where it is CLIP.
    """

    name: str
    dim: int
    image_size: int

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts.

        Args:
            texts: N strings, used as they are.

        Returns:
            (N, D) float32 unit rows, in order.
        """
        ...

    def encode_image(self, images: np.ndarray) -> np.ndarray:
        """Encodes images.

        Args:
            images: (N, image_size, image_size, 3) uint8 RGB; normalising the
                pixels is the teacher's own business.

        Returns:
            (N, D) float32 unit rows, in order.
        """
        ...


def unit_rows(rows: Any, dim: int) -> np.ndarray:
    """Scales rows to unit length.

    Args:
        rows: (N, dim) numbers, or an empty list for N = 0.
        dim: dimension of the rows.

    Returns:
        (N, dim) float32.

    Example:
        >>> unit_rows([[3, 4]], 2)
        array([[0.6, 0.8]], dtype=float32)
    """
    table = np.asarray(rows, "float32").reshape(-1, dim)
    return table / np.linalg.norm(table, axis=1, keepdims=True)
