"""Finding teachers: entry points of installed packages, by name."""

from typing import Any

from vild.errors import TeacherError
from vild.plugins import Group
from vild.teachers.checks import check, check_attributes, is_own
from vild.teachers.protocol import Teacher

_GROUP = Group("vild.teachers", "teacher", TeacherError)


def list() -> dict[str, str]:
    """The teachers that are installed.

    Returns:
        Name -> the package that brings it, sorted by name.

    Example:
        >>> import vild.teachers
        >>> vild.teachers.list()["shapes"]
        'vild'
    """
    return _GROUP.packages()


def get(spec: str | Teacher) -> Teacher:
    """A teacher by its specification.

    Args:
        spec: `name` or `name:argument`, e.g. `open_clip:ViT-B-32/openai` or
            `precomputed:words.npz`; or a teacher, which is then only checked.

    Returns:
        The teacher. Those of vild load their weights when first asked; others
        are tried at once, see `vild.teachers.check`.

    Raises:
        TeacherError: for an unknown name, a package that cannot be loaded, or an
            object that is no teacher.

    Example:
        >>> import vild.teachers
        >>> vild.teachers.get("shapes").encode_text(["a red star"]).shape
        (1, 64)
    """
    return _admit(_GROUP.make(spec) if isinstance(spec, str) else spec)


def _admit(teacher: Any) -> Teacher:
    return check_attributes(teacher) if is_own(teacher) else check(teacher)
