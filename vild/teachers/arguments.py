"""What a teacher is given, looked at before it is encoded."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from vild.errors import InputError


def read_texts(texts: Any, example: str) -> list[str]:
    """Texts as a list.

    Args:
        texts: N strings.
        example: of one, for the message.

    Returns:
        The same strings.

    Raises:
        InputError: if one of them is no string, or all of them are one.

    Example:
        >>> read_texts(("a red star", "a ring"), "a red star")
        ['a red star', 'a ring']
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputError(
            f"Texts must be a list of strings, received {texts!r}: write [{example!r}]."
        )
    texts = list(texts)
    for text in texts:
        if not isinstance(text, str):
            raise InputError(
                f"A text must be a string, received {text!r} ({type(text).__name__})."
            )
    return texts


def check_images(images: Any, side: int) -> None:
    """Refuses what are no square images of one size.

    Args:
        images: should be (N, side, side, 3) uint8 RGB.
        side: in pixels.

    Raises:
        InputError: if it is of another type or shape.

    Example:
        >>> check_images(np.zeros((2, 48, 48, 3), np.uint8), 48)
    """
    wanted = (side, side, 3)
    if isinstance(images, np.ndarray):
        if images.dtype == np.uint8 and images.shape[1:] == wanted:
            return
        received = f"{images.shape} {images.dtype}"
    else:
        received = type(images).__name__
    raise InputError(
        f"Images must be an array (N, {side}, {side}, 3) of uint8, received "
        f"{received}: resize and stack them."
    )
