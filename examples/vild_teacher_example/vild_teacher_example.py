"""A teacher for vild that knows colours and nothing else."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

RGB = {
    "red": (220, 30, 30),
    "dark red": (120, 10, 10),
    "orange": (250, 140, 20),
    "yellow": (250, 220, 30),
    "green": (30, 160, 50),
    "blue": (20, 100, 220),
    "dark blue": (10, 20, 120),
    "purple": (150, 30, 200),
    "grey": (128, 128, 128),
}
NAMED = re.compile(rf"\b({'|'.join(sorted(RGB, key=len, reverse=True))})\b")


class Colours:
    """A text means the colours it names, an image the mean colour of its middle."""

    name = "colours"
    dim = 4
    image_size = 16
    templates = "name"

    def __init__(self) -> None:
        self.fingerprint = {"version": 1}

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts: other words than colours are ignored."""
        named = [NAMED.findall(text.lower()) or ["grey"] for text in texts]
        return _vectors(np.mean([RGB[n] for n in names], axis=0) for names in named)

    def encode_image(self, images: np.ndarray) -> np.ndarray:
        """Encodes images: what is at their edges is ignored."""
        return _vectors(image[4:12, 4:12].mean(axis=(0, 1)) for image in images)


def _vectors(colours: Iterable[np.ndarray]) -> np.ndarray:
    """Red, green, blue from -1 to 1 and a constant: grey is at (0, 0, 0, 1)."""
    rows = [[*(colour / 127.5 - 1), 1.5] for colour in colours]
    return np.array([row / np.linalg.norm(row) for row in rows], "float32")
