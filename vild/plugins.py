"""Things that installed packages bring, found by name: entry points."""

import inspect
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vild.errors import VildError


@dataclass(frozen=True)
class Group:
    """The plug-ins of one kind.

    Args:
        entry: name of the entry points, e.g. `vild.teachers`.
        kind: what messages call one of them, e.g. "teacher".
        error: what is raised where one cannot be had.

    Example:
        >>> from vild.errors import DataError
        >>> Group("vild.datasets", "dataset", DataError).make("nothing:at/all")
        Traceback (most recent call last):
        vild.errors.DataError: There is no dataset 'nothing'; installed are ...
    """

    entry: str
    kind: str
    error: type[VildError]

    def packages(self) -> dict[str, str]:
        """What is installed.

        Returns:
            Name -> the package that brings it, sorted by name.
        """
        return {name: _package(p) for name, p in sorted(self._points().items())}

    def make(self, spec: str, **settings: Any) -> Any:
        """Makes one by its specification.

        Args:
            spec: `name` or `name:argument`.
            settings: passed on by name.

        Returns:
            What the plug-in gives, unchecked.

        Raises:
            VildError: of the group's kind, for an unknown name, a package that
                cannot be loaded, or arguments that do not fit; what the plug-in
                raises itself if that is one already.
        """
        name, colon, argument = spec.partition(":")
        points = self._points()
        if name not in points:
            raise self.error(
                f"There is no {self.kind} {name!r}; installed are "
                f"{', '.join(sorted(points))}. Others come with packages that have the "
                f"entry point {self.entry!r}."
            )
        point = points[name]
        try:
            make = point.load()
        except Exception as error:  # whatever a plug-in may do
            raise self._failed(point, "cannot be imported", error) from error
        arguments = (argument,) if colon else ()
        self._check_call(make, name, arguments, settings)
        try:
            return make(*arguments, **settings)
        except VildError:
            raise  # it already says what is wrong
        except Exception as error:
            raise self._failed(point, "cannot be made", error) from error

    def _points(self) -> dict[str, EntryPoint]:
        """Entry points by name; of two with one name that of vild counts."""
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.entry):
            if point.name not in found or _package(point) == "vild":
                found[point.name] = point
        return found

    def _failed(self, point: EntryPoint, what: str, error: Exception) -> VildError:
        return self.error(
            f"The {self.kind} {point.name!r} of the package {_package(point)!r} {what} "
            f"({type(error).__name__}: {error})."
        )

    def _check_call(
        self,
        make: Any,
        name: str,
        arguments: tuple[str, ...],
        settings: dict[str, Any],
    ) -> None:
        """Tells a missing argument, or one too many, before the call does."""
        try:
            signature = inspect.signature(make)
        except (TypeError, ValueError):  # some callables have no signature to ask
            return
        what = f"The {self.kind} {name!r}"
        if not _binds(signature, arguments, {}):
            raise self.error(
                f"{what} takes no argument: write {name!r}."
                if arguments
                else f"{what} needs an argument: write '{name}:...'; its "
                "documentation says what."
            )
        for setting, value in settings.items():
            if not _binds(signature, arguments, {setting: value}):
                raise self.error(f"{what} has no setting {setting!r}: leave it out.")


def _binds(
    signature: inspect.Signature, arguments: tuple[str, ...], settings: dict[str, Any]
) -> bool:
    try:
        signature.bind(*arguments, **settings)
    except TypeError:
        return False
    return True


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(".")[0]
