"""Looking classes up by any spelling of a name or synonym."""

import difflib
from collections.abc import Sequence

from vild.errors import InputError
from vild.names import plain


class NameIndex:
    """The classes behind names.

    Args:
        groups: K lists of names, the shown one first.

    Example:
        >>> index = NameIndex([["cat"], ["sofa", "couch"]])
        >>> index.find("Couch"), index.find("dog")
        (1, None)
    """

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._groups = groups
        self._own = {plain(group[0]): row for row, group in enumerate(groups)}
        self._others: dict[str, list[int]] = {}
        for row, group in enumerate(groups):
            if len(group) > 1:
                for key in {plain(name) for name in group}:
                    self._others.setdefault(key, []).append(row)

    def find(self, name: str) -> int | None:
        """The class of a name or synonym.

        Args:
            name: any spelling; see `plain`.

        Returns:
            Its row, or None. A class's own name goes before synonyms.

        Raises:
            InputError: if several classes have this synonym.
        """
        key = plain(name)
        if key in self._own:
            return self._own[key]
        rows = self._others.get(key, [])
        if len(rows) > 1:
            options = ", ".join(repr(self._groups[row][0]) for row in rows)
            raise InputError(f"{name!r} may mean {options}: ask for one of these.")
        return rows[0] if rows else None

    def meant(self, names: Sequence[str]) -> list[int]:
        """All classes that some names may stand for.

        Args:
            names: of one thing, in any spelling.

        Returns:
            Their rows; none for names that are not here.

        Example:
            >>> NameIndex([["cat"], ["sofa", "couch"]]).meant(["Couch", "bench"])
            [1]
        """
        keys = [plain(name) for name in names]
        own = [self._own[key] for key in keys if key in self._own]
        return sorted(
            {*own, *(row for key in keys for row in self._others.get(key, []))}
        )

    def near(self, name: str) -> list[str]:
        """Names that are spelt like this one.

        Args:
            name: one that is not here.

        Returns:
            The nearest names, and those that this one only lacks a qualifier of.
        """
        known = {plain(n): n for group in self._groups for n in group}
        stem = plain(name)
        keys = difflib.get_close_matches(stem, known, 3, 0.75)
        keys += [key for key in known if key.startswith(f"{stem}(")]
        return list(dict.fromkeys(known[key] for key in keys))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence.

    Args:
        names: any number.
        most: how many are shown.

    Returns:
        Quoted names with commas.

    Example:
        >>> listed(["a", "b", "c"], 2)
        "'a', 'b' and 1 more"
    """
    text = ", ".join(repr(name) for name in names[:most])
    more = len(names) - most
    return f"{text} and {more} more" if more > 0 else text
