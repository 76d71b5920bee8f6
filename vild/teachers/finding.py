"""Finding teachers: entry points of installed packages, by name."""

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vild.errors import TeacherError, VildError
from vild.teachers.checks import check, check_attributes, is_own
from vild.teachers.protocol import Teacher

_GROUP = "vild.teachers"


def list() -> dict[str, str]:
    """The teachers that are installed.

    Returns:
        Name -> the package that brings it, sorted by name.

    Example:
        >>> import vild.teachers
        >>> vild.teachers.list()["shapes"]
        'vild'
    """
    return {name: _package(point) for name, point in sorted(_points().items())}


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
    if not isinstance(spec, str):
        return _admit(spec)
    name, colon, argument = spec.partition(":")
    points = _points()
    if name not in points:
        raise TeacherError(
            f"There is no teacher {name!r}; installed are {', '.join(sorted(points))}. "
            "Others come with packages that have the entry point "
            f"{_GROUP!r}."
        )
    point = points[name]
    try:
        make = point.load()
    except Exception as error:  # whatever a plug-in may do
        raise _failed(point, "cannot be imported", error) from error
    arguments = (argument,) if colon else ()
    _check_call(make, name, arguments)
    try:
        teacher = make(*arguments)
    except VildError:
        raise  # it already says what is wrong
    except Exception as error:
        raise _failed(point, "cannot be made", error) from error
    return _admit(teacher)


def _admit(teacher: Any) -> Teacher:
    return check_attributes(teacher) if is_own(teacher) else check(teacher)


def _points() -> dict[str, EntryPoint]:
    """Entry points by name; of two with one name that of vild counts."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=_GROUP):
        if point.name not in found or _package(point) == "vild":
            found[point.name] = point
    return found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(".")[0]


def _failed(point: EntryPoint, what: str, error: Exception) -> TeacherError:
    return TeacherError(
        f"The teacher {point.name!r} of the package {_package(point)!r} {what} "
        f"({type(error).__name__}: {error})."
    )


def _check_call(make: Any, name: str, arguments: tuple[str, ...]) -> None:
    """Tells a missing argument, or one too many, before the call does."""
    try:
        inspect.signature(make).bind(*arguments)
    except ValueError:  # some callables have no signature to ask
        return
    except TypeError:
        raise TeacherError(
            f"The teacher {name!r} takes no argument: write {name!r}."
            if arguments
            else f"The teacher {name!r} needs an argument: write '{name}:...'; its "
            "documentation says what."
        ) from None
