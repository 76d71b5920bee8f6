"""Whether an object is a teacher, found out by trying it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vild.errors import InputError, TeacherError
from vild.prompts import read_templates
from vild.teachers.calls import encode_image, encode_text
from vild.teachers.fingerprints import attribute, fingerprint
from vild.teachers.protocol import Teacher

_TEXTS = ("a cat", "two red umbrellas in the rain", "x")

# A batch of another size may take another path through the matrix product; in half
# precision that moves a number of a unit row by up to about 2e-3.
_COMPANY_TOLERANCE = 5e-3


def check_attributes(teacher: Any) -> Teacher:
    """Refuses what does not even look like a teacher; runs nothing.

    Args:
        teacher: any object.

    Returns:
        The same object.

    Raises:
        TeacherError: if an attribute is missing or of the wrong kind.
    """
    if isinstance(teacher, type):
        raise TeacherError(
            f"A teacher must be an object, received the class {teacher.__name__}: "
            f"write {teacher.__name__}()."
        )
    name = attribute(teacher, "name")
    if not isinstance(name, str) or not name:
        raise TeacherError(
            "A teacher needs a name, a string that goes into fingerprints; received "
            f"{type(teacher).__name__} with name {name!r}."
        )
    for size in ("dim", "image_size"):
        value: Any = attribute(teacher, size)
        good = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not good or value < 1:
            raise TeacherError(
                f"The teacher {name!r} needs {size}, a whole number above 0; "
                f"received {value!r}."
            )
    for method in ("encode_text", "encode_image"):
        if not callable(attribute(teacher, method)):
            raise TeacherError(
                f"The teacher {name!r} needs a method {method}; one that it cannot "
                "have should raise NotImplementedError."
            )
    resize = attribute(teacher, "resize", "squash")
    if resize not in ("squash", "crop"):
        raise TeacherError(
            f"The teacher {name!r} needs resize to be 'squash' or 'crop', received "
            f"{resize!r}."
        )
    try:
        read_templates(attribute(teacher, "templates", "name"))
    except InputError as error:
        raise TeacherError(f"The templates of the teacher {name!r}: {error}") from error
    return teacher


def is_own(teacher: Any) -> bool:
    """Whether vild brings this teacher.

    Args:
        teacher: any.

    Returns:
        True for those that the tests of vild have tried: they need no trial when
        they are loaded, and may look only names up or load their weights later.
    """
    return type(teacher).__module__.startswith("vild.teachers.")


def check(teacher: Any) -> Teacher:
    """Refuses what does not do what a teacher does; runs both encoders.

    Args:
        teacher: any object.

    Returns:
        The same object.

    Raises:
        TeacherError: if an attribute is missing, an encoder fails or returns
            another shape or type, rows that are not unit, in another order, or
            that depend on what else is in the batch.

    Example:
        >>> import vild.teachers
        >>> vild.teachers.check(vild.teachers.get("shapes")).name
        'shapes'
    """
    check_attributes(teacher)
    fingerprint(teacher)
    rng = np.random.default_rng(0)
    shape = (len(_TEXTS), teacher.image_size, teacher.image_size, 3)
    # Three images that differ in more than noise: dark, middling and bright.
    images = rng.integers(0, 120, shape) + np.array([0, 60, 130])[:, None, None, None]
    sides = {
        "encode_text": lambda i: encode_text(teacher, [_TEXTS[k] for k in i]),
        "encode_image": lambda i: encode_image(teacher, images.astype("uint8")[i]),
    }
    missing = [side for side in sides if not _try(teacher, side, sides[side])]
    if len(missing) == len(sides):
        raise TeacherError(f"The teacher {teacher.name!r} has no encoder at all.")
    return teacher


def _try(
    teacher: Teacher, side: str, encode: Callable[[list[int]], np.ndarray]
) -> bool:
    """Tries one encoder; False if the teacher has none."""
    order = list(range(len(_TEXTS)))
    try:
        together = encode(order)
    except TeacherError as error:
        if isinstance(error.__cause__, NotImplementedError):
            return False
        raise
    alone = np.concatenate([encode([i]) for i in order])
    turned = encode(order[::-1])[::-1]
    off = max(np.abs(together - alone).max(), np.abs(together - turned).max())
    if off > _COMPANY_TOLERANCE:
        raise TeacherError(
            f"The teacher {teacher.name!r}: {side} gives an input another row (off by "
            f"{off:.2g}) when the batch holds others too: rows must be in the order "
            "of the inputs, and each must depend on its own input alone."
        )
    return True
