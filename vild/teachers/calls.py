"""Calling a teacher: what it gives back is checked every time.

A plug-in is somebody else's code. What it does wrong must be told where it is
called, by name, and not as nonsense in boxes a day later.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vild.errors import InputError, TeacherError, VildError
from vild.teachers.fingerprints import one_line
from vild.teachers.protocol import Teacher

# Rows computed in half precision are this far from unit length.
_UNIT_TOLERANCE = 5e-3


def encode_text(teacher: Teacher, texts: Sequence[str]) -> np.ndarray:
    """The rows of texts.

    Args:
        teacher: any.
        texts: N strings.

    Returns:
        (N, D) float32 unit rows.

    Raises:
        TeacherError: if the teacher fails, has no text encoder or gives back
            anything else.
    """
    texts = list(texts)
    if not texts:
        return np.zeros((0, teacher.dim), "float32")
    return _call(teacher, "encode_text", texts, len(texts))


def encode_image(teacher: Teacher, images: np.ndarray) -> np.ndarray:
    """The rows of images.

    Args:
        teacher: any.
        images: (N, image_size, image_size, 3) uint8 RGB.

    Returns:
        (N, D) float32 unit rows.

    Raises:
        InputError: for images of another shape or type.
        TeacherError: if the teacher fails, has no image encoder or gives back
            anything else.
    """
    images = np.asarray(images)
    side = teacher.image_size
    if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
        raise InputError(
            f"{teacher.name!r} takes (N, {side}, {side}, 3) uint8 images, received "
            f"{images.dtype} of shape {images.shape}."
        )
    if not len(images):
        return np.zeros((0, teacher.dim), "float32")
    return _call(teacher, "encode_image", images, len(images))


def _call(teacher: Teacher, method: str, argument: Any, count: int) -> np.ndarray:
    where = f"The teacher {teacher.name!r}: {method}"
    try:
        rows = getattr(teacher, method)(argument)
    except VildError:
        raise  # it already says what is wrong
    except NotImplementedError as error:
        raise TeacherError(
            f"The teacher {teacher.name!r} has no {method}"
            + (f" ({error})." if str(error) else ".")
        ) from error
    except Exception as error:  # whatever a plug-in may do
        kind = type(error).__name__
        raise TeacherError(f"{where} failed ({kind}: {one_line(error)}).") from error
    if not isinstance(rows, np.ndarray):
        raise TeacherError(
            f"{where} must return a NumPy array, returned {type(rows).__name__}."
        )
    if rows.dtype != np.float32:
        raise TeacherError(f"{where} must return float32, returned {rows.dtype}.")
    if rows.shape != (count, teacher.dim):
        raise TeacherError(
            f"{where} must return shape ({count}, {teacher.dim}), a row of dim "
            f"numbers for each input; returned {rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise TeacherError(f"{where} returned NaN or infinity.")
    norms = np.linalg.norm(rows, axis=1)
    worst = float(norms[np.argmax(np.abs(norms - 1))])
    if abs(worst - 1) > _UNIT_TOLERANCE:
        raise TeacherError(
            f"{where} must return rows of length 1, returned one of length "
            f"{worst:.3g}: divide each row by its length."
        )
    return rows
