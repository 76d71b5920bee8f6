"""Class names as people write them: checked, and compared whatever the spelling."""

from collections.abc import Iterable, Sequence
from typing import Any

from vild.errors import InputError

# What a class may be asked as: a name, or names for the same thing.
ClassName = str | Sequence[str]


def plain(name: str) -> str:
    """A name as it is compared: without case, spaces and underscores.

    Args:
        name: any spelling.

    Returns:
        The key of that name.

    Example:
        >>> plain("Traffic light") == plain("traffic_light")
        True
    """
    return "".join(name.split()).replace("_", "").casefold()


def check_classes(classes: Any) -> list[list[str]]:
    """Classes as asked -> a list of lists of names.

    Args:
        classes: names or lists of synonyms.

    Returns:
        A list of synonyms per class, the name to show first.

    Raises:
        InputError: if there are none, or a name is no string, empty, not valid
            text or asked for twice.
    """
    if isinstance(classes, str):
        raise InputError(
            f"Classes must be a list of names, received the string {classes!r}: "
            f"write [{classes!r}]."
        )
    if not isinstance(classes, Iterable) or isinstance(classes, set | frozenset):
        raise InputError(
            f"Classes must be a list of names, received {type(classes).__name__}."
        )
    groups: list[list[str]] = []
    seen: set[str] = set()
    for item in classes:
        group = [item] if isinstance(item, str) else item
        if not isinstance(group, list | tuple):
            raise InputError(
                "A class must be a name or a list of synonyms, received "
                f"{item!r} ({type(item).__name__})."
            )
        if not group:
            raise InputError("A list of synonyms is empty: give at least one name.")
        for name in group:
            if not isinstance(name, str):
                raise InputError(
                    f"A class name must be a string, received {name!r} "
                    f"({type(name).__name__})."
                )
            if not plain(name):
                raise InputError(f"A class name is empty: {name!r}.")
            if not _is_text(name):
                raise InputError(
                    f"The class name {name!r} is not valid text: it was read with "
                    "another encoding than it was written in; read it as UTF-8."
                )
        key = plain(group[0])
        if key in seen:
            raise InputError(
                f"The class {group[0]!r} is there twice: names must differ in more "
                "than case, spaces and underscores."
            )
        seen.add(key)
        groups.append([str(name) for name in group])
    if not groups:
        raise InputError("The list of classes is empty: give at least one name.")
    return groups


def _is_text(name: str) -> bool:
    """Whether no bytes that could not be decoded hide in it."""
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)
