"""A small teacher with real words: it knows what stickers show, drawn by many hands."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vild.errors import InputError
from vild.teachers.arguments import check_images, read_texts
from vild.teachers.packed import digest, packed_weights
from vild.teachers.protocol import unit_rows
from vild.teachers.word_table import unpacked

_WORDS, _IMAGES = "sticker_words.npz", "sticker_images.npz"
_TOGETHER = 256  # images in one call: their maps take 60 MB


class StickersTeacher:
    """A teacher for drawn things: as CLIP is for photos, but of 6 MB.

    Texts are encoded by a table of 27 559 words and pieces of words, distilled from
    the sentence encoder all-MiniLM-L6-v2: words that no sticker is called by have
    their meaning all the same. The order of words does not matter. Images are encoded
    by a small convolutional network that has seen all the concepts of the stickers, in
    the styles of their part `train`; a detector that is distilled from it has labels of
    some of them only.

    It is for stickers and the like. Of photos it knows nothing. See `docs/stickers.md`
    for how well it names what it sees.

    Example:
        >>> teacher = StickersTeacher()
        >>> kitten, cat, lorry = teacher.encode_text(["a kitten", "a cat", "a lorry"])
        >>> bool(kitten @ cat > 0.5 > kitten @ lorry)
        True
    """

    name = "stickers"
    dim = 128
    image_size = 48
    templates = "name"
    resize = "squash"

    def __init__(self) -> None:
        words, images = packed_weights(_WORDS), packed_weights(_IMAGES)
        self._table = unpacked(words)
        self._images = images
        self._encoder: Any = None
        self.fingerprint: dict[str, Any] = {
            "version": 1,
            "words": digest(words),
            "images": digest(images),
        }

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts.

        Args:
            texts: N strings, in English; case and the order of words do not matter.

        Returns:
            (N, 128) float32 unit rows, in order.

        Raises:
            InputError: if one of them is no string or has no word, or all of them are
                one string.

        Example:
            >>> StickersTeacher().encode_text(["a red apple"]).shape
            (1, 128)
        """
        texts = read_texts(texts, "a red apple")
        for text in texts:
            if not self._table.cut(text):
                raise InputError(f"A text must have words, received {text!r}.")
        return unit_rows(self._table.encode(texts), self.dim)

    def encode_image(self, images: np.ndarray) -> np.ndarray:
        """Encodes images.

        Args:
            images: (N, 48, 48, 3) uint8 RGB.

        Returns:
            (N, 128) float32 unit rows, in order.

        Raises:
            InputError: if the array is of another type or shape.

        Example:
            >>> StickersTeacher().encode_image(np.zeros((2, 48, 48, 3), np.uint8)).shape
            (2, 128)
        """
        check_images(images, self.image_size)
        rows = [
            self._encoded(images[start : start + _TOGETHER])
            for start in range(0, len(images), _TOGETHER)
        ]
        return unit_rows(np.concatenate(rows) if rows else [], self.dim)

    def _encoded(self, images: np.ndarray) -> np.ndarray:
        # Words alone need no framework.
        from vild.backends import keras, kernels
        from vild.teachers.sticker_network import make_network, set_weights

        if self._encoder is None:
            network = make_network()
            set_weights(network, self._images)
            self._encoder = kernels.compile(
                lambda batch: network(batch, training=False), network.variables
            )
        # One shape, which is compiled once.
        count, whole = len(images), _TOGETHER if len(images) > 1 else 1
        padded = np.zeros((whole, *images.shape[1:]), np.float32)
        padded[:count] = images / np.float32(127.5) - np.float32(1)
        rows = self._encoder(keras.ops.convert_to_tensor(padded))
        return keras.ops.convert_to_numpy(rows)[:count]
