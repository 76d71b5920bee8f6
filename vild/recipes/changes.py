"""Changing a recipe by the paths of its values: `model.ensemble=false`."""

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from vild.errors import InputError
from vild.recipes.recipe import Recipe


def changed(recipe: Recipe, changes: Iterable[str]) -> Recipe:
    """A recipe with some of its values changed.

    Args:
        recipe: stays as it is.
        changes: `path.to.value=value`, e.g. `losses.distill_weight=1`; the value as in
            JSON, a bare word for a text, `none` for nothing, and `1,2,3` for several.

    Returns:
        The new recipe.

    Raises:
        InputError: for a path that there is not, or a value of another kind.

    Example:
        >>> changed(Recipe(), ["model.region_units=256,128"]).model.region_units
        (256, 128)
    """
    # All of them at once: one may need the other to make sense.
    tree: dict[str, Any] = {}
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise InputError(
                f"A change of a recipe is path.to.value=value, received {change!r}."
            )
        place = tree
        *folders, last = path.strip().split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
            if not isinstance(place, dict):
                raise InputError(f"{path!r} is set twice, as a whole and in part.")
        place[last] = _read(text.strip())
    return _apply(recipe, tree, "")


def recipe_from(tree: Mapping[str, Any]) -> Recipe:
    """A recipe as `Recipe.as_dict` wrote it.

    Args:
        tree: nested dictionaries; what is not there is as in `Recipe()`.

    Returns:
        The recipe.

    Raises:
        InputError: for a value that there is not, or of another kind.

    Example:
        >>> recipe_from(Recipe(steps=7).as_dict()) == Recipe(steps=7)
        True
    """
    return _apply(Recipe(), dict(tree), "")


def _apply(part: Any, tree: dict[str, Any], path: str) -> Any:
    known = {f.name: f for f in dataclasses.fields(part)}
    values = {}
    for name, value in tree.items():
        full = f"{path}{name}"
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            there = f"did you mean {path}{near[0]}" if near else ", ".join(known)
            raise InputError(f"A recipe has no value {full!r}: {there}?")
        now = getattr(part, name)
        if dataclasses.is_dataclass(now):
            if not isinstance(value, dict):
                inside = ", ".join(f.name for f in dataclasses.fields(now))
                raise InputError(f"{full!r} has parts: set one of {inside}.")
            values[name] = _apply(now, value, f"{full}.")
        elif isinstance(now, dict):
            values[name] = {**now, **value} if isinstance(value, dict) else value
        else:
            values[name] = _fitting(value, known[name].type, full)
    return dataclasses.replace(part, **values)


def _fitting(value: Any, kind: Any, path: str) -> Any:
    """The value as what is annotated, if it can be."""
    union = isinstance(kind, types.UnionType)
    for one in typing.get_args(kind) if union else (kind,):
        fits, read = _as(value, one)
        if fits:
            return read
    name = str(kind) if union or typing.get_args(kind) else kind.__name__
    raise InputError(f"{path} must be {name}, received {value!r}.")


def _as(value: Any, kind: Any) -> tuple[bool, Any]:
    """Whether the value is of a kind, and the value as such."""
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        given = value if isinstance(value, list) else [value]
        if inner[-1] is Ellipsis:
            inner = (inner[0],) * len(given)
        if len(inner) != len(given):
            return False, None
        pairs = [_as(v, k) for v, k in zip(given, inner, strict=True)]
        return all(fits for fits, _ in pairs), tuple(read for _, read in pairs)
    if isinstance(value, bool):
        return kind is bool, value
    if kind is float and isinstance(value, int):
        return True, float(value)
    return isinstance(value, kind), value


def _read(text: str) -> Any:
    if text.lower() == "none":
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return json.loads(text)
    except ValueError:
        pass
    if "," in text:
        return [_read(item.strip()) for item in text.split(",") if item.strip()]
    return text
