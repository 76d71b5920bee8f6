"""Which space a vector is in: what is known of the teacher that made it."""

import json
from typing import Any

from vild.errors import TeacherError
from vild.teachers.protocol import Teacher

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
    facts = getattr(teacher, "fingerprint", {})
    if facts is None:
        return None
    scalars = str | int | float | bool
    if not isinstance(facts, dict) or not all(
        isinstance(key, str) and isinstance(value, scalars)
        for key, value in facts.items()
    ):
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
        other: the same; not known to differ.

    Returns:
        The facts known of both; None if nothing is known of one.
    """
    if one is None or other is None:
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
