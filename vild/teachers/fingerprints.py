"""Which space a vector is in: what is known of the teacher that made it."""

import json
from typing import Any

from vild.errors import TeacherError, VildError
from vild.teachers.protocol import Teacher
from vild.vocabulary_io import is_fingerprint

# JSON scalars by name: name, dim, image_size and what the teacher adds.
Fingerprint = dict[str, Any]


def fingerprint(teacher: Teacher) -> Fingerprint | None:
    """What determines a teacher's vectors.

    Args:
        teacher: any.

    Returns:
        `name`, `dim`, `image_size` and the teacher's own facts; None if the
        teacher does not know them.

    Raises:
        TeacherError: if the teacher's own facts are no dict of JSON scalars.

    Example:
        >>> import vild.teachers
        >>> vild.teachers.fingerprint(vild.teachers.get("shapes"))["name"]
        'shapes'
    """
    facts = attribute(teacher, "fingerprint", {})
    if facts is None:
        return None
    if not is_fingerprint(facts):
        raise TeacherError(
            f"The teacher {teacher.name!r} needs fingerprint to be a dict of strings, "
            f"numbers and bools, received {facts!r}."
        )
    return {
        "name": teacher.name,
        "dim": int(teacher.dim),
        "image_size": int(teacher.image_size),
        **facts,  # may name the teacher that vectors in a file came from
    }


def attribute(teacher: Any, name: str, default: Any = None) -> Any:
    """An attribute of a plug-in, which may be a property that fails.

    Args:
        teacher: any object.
        name: of the attribute.
        default: where there is none.

    Returns:
        Its value.

    Raises:
        TeacherError: if it fails.
    """
    try:
        return getattr(teacher, name, default)
    except Exception as error:  # whatever a plug-in may do
        if isinstance(error, VildError):
            raise
        raise TeacherError(
            f"The teacher {type(teacher).__name__}: its {name} failed "
            f"({type(error).__name__}: {one_line(error)})."
        ) from error


def one_line(error: BaseException) -> str:
    """The message of somebody else's error, in a sentence of ours.

    Args:
        error: any.

    Returns:
        The message without line breaks.
    """
    return " ".join(str(error).split())


def differ(one: Fingerprint | None, other: Fingerprint | None) -> bool:
    """Whether two teachers are known to be different ones.

    Args:
        one: a fingerprint, or None if there is none.
        other: the same.

    Returns:
        True if something that is known of both is not the same. A pretrained
        tag and a digest of weights cannot be compared.

    Example:
        >>> differ({"name": "a", "tag": "x"}, {"name": "a", "sha256": "12"})
        False
        >>> differ({"name": "a"}, {"name": "b"})
        True
    """
    if one is None or other is None:
        return False
    return any(one[key] != other[key] for key in one.keys() & other.keys())


def common(one: Fingerprint | None, other: Fingerprint | None) -> Fingerprint | None:
    """What is known of vectors that come from two places.

    Args:
        one: a fingerprint, or None if there is none.
        other: the same.

    Returns:
        The facts known of both; None if nothing is known of one, or if they are
        known to differ.
    """
    if one is None or other is None or differ(one, other):
        return None
    return {key: one[key] for key in one if key in other}


def show(mark: Fingerprint | None) -> str:
    """A fingerprint in a sentence.

    Args:
        mark: a fingerprint or None.

    Returns:
        The name and the other facts, digests cut short.

    Example:
        >>> show({"name": "clip", "dim": 512, "sha256": "0123456789abcdef"})
        'clip (dim 512, sha256 0123456789)'
    """
    if mark is None:
        return "an unknown teacher"
    facts = [
        f"{key} {value[:10] if key == 'sha256' else value}"
        for key, value in mark.items()
        if key != "name"
    ]
    name = mark.get("name", "a teacher")
    return f"{name} ({', '.join(facts)})" if facts else str(name)


def as_text(mark: Fingerprint) -> str:
    """A fingerprint as one line that is the same wherever it is written.

    Args:
        mark: a fingerprint.

    Returns:
        JSON with sorted keys.
    """
    return json.dumps(mark, sort_keys=True, ensure_ascii=False)
