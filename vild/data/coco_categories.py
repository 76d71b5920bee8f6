"""Categories out of a json of COCO's or LVIS's form."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vild.data.categories import Category
from vild.data.coco_json import whole
from vild.data.coco_split import BASE, EXCLUDED, NOVEL
from vild.errors import DataError, InputError

_FREQUENCIES = ("r", "c", "f")


def read_categories(
    entries: Sequence[Any], path: Path, base: Iterable[str] | None = None
) -> tuple[Category, ...]:
    """Reads categories and tells which are base.

    Args:
        entries: as they are in the json.
        path: of the json, for messages.
        base: names of those that may be trained on, the others being novel. None:
            where all have LVIS's frequency, those that are not rare; of COCO's own
            80 names the usual 48, with 17 novel and 15 excluded; else all.

    Returns:
        The categories in the same order.

    Raises:
        DataError: if an entry is damaged, or an id or a name is there twice.
        InputError: if `base` names an unknown category.

    Example:
        >>> from pathlib import Path
        >>> entries = [{"id": 1, "name": "a", "frequency": "r"}]
        >>> read_categories(entries, Path("val.json"))[0].base
        False
    """
    found = [_read(entry, path) for entry in entries]
    for what in ("id", "name"):
        counts = Counter(getattr(category, what) for category in found)
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise DataError(
                f"Two categories of {str(path)!r} have the {what} {twice[0]!r}: give "
                "each its own."
            )
    names = {category.name for category in found}
    if base is not None:
        wanted = {base} if isinstance(base, str) else set(base)
        if wanted - names:
            raise InputError(
                f"{min(wanted - names)!r} is no category of {str(path)!r}: name base "
                "categories as they are named there."
            )
        return tuple(replace(c, base=c.name in wanted) for c in found)
    if all(category.frequency for category in found):
        return tuple(replace(c, base=c.frequency != "r") for c in found)
    if names >= BASE | NOVEL:
        return tuple(
            replace(c, base=c.name in BASE, excluded=c.name in EXCLUDED) for c in found
        )
    return tuple(found)


def _read(entry: Any, path: Path) -> Category:
    try:
        number, name = whole(entry["id"]), entry["name"]
        frequency = entry.get("frequency")
        synonyms = tuple(entry.get("synonyms") or ())
        texts = [name, *synonyms]
        if not all(isinstance(t, str) and t for t in texts):
            raise TypeError("of another type")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"Expected a category of {str(path)!r} to have a whole number as id and a "
            f"text as name, received {str(entry)[:160]}: mend its entry."
        ) from error
    known = frequency if frequency in _FREQUENCIES else None
    return Category(number, name, synonyms, frequency=known)
