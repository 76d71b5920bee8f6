"""Prompts: the sentences in which a text encoder is shown a name.

Templates are data: named sets below, or anybody's own list. `{}` stands for the
name, `{article}` for "a" or "an".
"""

import string
from collections.abc import Iterable
from typing import Any

from vild.errors import InputError

_NAMED = "{}"

# The published list, in its order: CLIP's templates for ImageNet, made over with
# articles, and those that place a thing in a scene.
_VILD = (
    "There is {article} {} in the scene.",
    "There is the {} in the scene.",
    "a photo of {article} {} in the scene.",
    "a photo of the {} in the scene.",
    "a photo of one {} in the scene.",
    "itap of {article} {}.",  # "I took a picture of", as people wrote on a forum
    "itap of my {}.",
    "itap of the {}.",
    "a photo of {article} {}.",
    "a photo of my {}.",
    "a photo of the {}.",
    "a photo of one {}.",
    "a photo of many {}.",
    "a good photo of {article} {}.",
    "a good photo of the {}.",
    "a bad photo of {article} {}.",
    "a bad photo of the {}.",
    "a photo of a nice {}.",
    "a photo of the nice {}.",
    "a photo of a cool {}.",
    "a photo of the cool {}.",
    "a photo of a weird {}.",
    "a photo of the weird {}.",
    "a photo of a small {}.",
    "a photo of the small {}.",
    "a photo of a large {}.",
    "a photo of the large {}.",
    "a photo of a clean {}.",
    "a photo of the clean {}.",
    "a photo of a dirty {}.",
    "a photo of the dirty {}.",
    "a bright photo of {article} {}.",
    "a bright photo of the {}.",
    "a dark photo of {article} {}.",
    "a dark photo of the {}.",
    "a photo of a hard to see {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of {article} {}.",
    "a low resolution photo of the {}.",
    "a cropped photo of {article} {}.",
    "a cropped photo of the {}.",
    "a close-up photo of {article} {}.",
    "a close-up photo of the {}.",
    "a jpeg corrupted photo of {article} {}.",
    "a jpeg corrupted photo of the {}.",
    "a blurry photo of {article} {}.",
    "a blurry photo of the {}.",
    "a pixelated photo of {article} {}.",
    "a pixelated photo of the {}.",
    "a black and white photo of the {}.",
    "a black and white photo of {article} {}.",
    "a plastic {}.",
    "the plastic {}.",
    "a toy {}.",
    "the toy {}.",
    "a plushie {}.",
    "the plushie {}.",
    "a cartoon {}.",
    "the cartoon {}.",
    "an embroidered {}.",
    "the embroidered {}.",
    "a painting of the {}.",
    "a painting of a {}.",
)

# Source: the released demonstration program (its single and its multiple
# templates), which follows the paper's appendix. It also begins texts that start
# with a lower-case "a" or "the" with "This is".
SETS: dict[str, tuple[str, ...]] = {
    "name": (_NAMED,),
    "single": ("a photo of {article} {}.",),
    "vild": _VILD,
    "vild-demo": tuple(
        f"This is {text}" if text.startswith(("a", "the")) else text for text in _VILD
    ),
}


def read_templates(templates: Any) -> tuple[str, ...]:
    """Templates as asked -> checked templates.

    Args:
        templates: the name of a set (`name`, `single`, `vild`, `vild-demo`) or a
            list of strings, each with a `{}` for the name and, if wanted,
            `{article}` for "a" or "an".

    Returns:
        The templates.

    Raises:
        InputError: for an unknown set, an empty list, or a template without `{}`
            or with other slots.

    Example:
        >>> read_templates("single")
        ('a photo of {article} {}.',)
        >>> len(read_templates("vild"))
        63
    """
    if isinstance(templates, str):
        if templates in SETS:
            return SETS[templates]
        hint = f": write [{templates!r}]" if "{" in templates else ""
        raise InputError(
            f"There is no set of templates {templates!r}{hint}; the sets are "
            f"{', '.join(SETS)}, and a list of your own will do."
        )
    if not isinstance(templates, Iterable) or isinstance(templates, set | dict):
        raise InputError(
            "Templates must be the name of a set or a list of strings, received "
            f"{type(templates).__name__}."
        )
    found = tuple(templates)
    if not found:
        raise InputError("The list of templates is empty: give at least one.")
    for template in found:
        _check(template)
    return found


def _check(template: Any) -> None:
    if not isinstance(template, str):
        raise InputError(
            f"A template must be a string, received {template!r} "
            f"({type(template).__name__})."
        )
    rule = "write {} for the name and, if wanted, {article} for 'a' or 'an'"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InputError(
            f"The template {template!r} is broken ({error}): {rule}."
        ) from None
    slots = [slot for _, slot, _, _ in parts if slot is not None]
    bare = all(not form and not change for _, _, form, change in parts)
    if not bare or not set(slots) <= {"", "article"}:
        raise InputError(f"The template {template!r} has another slot: {rule}.")
    if "" not in slots:
        raise InputError(f"The template {template!r} has no slot for the name: {rule}.")


def clean(name: str) -> str:
    """A name as it is written in a sentence.

    Args:
        name: as in a dataset.

    Returns:
        Without underscores, slashes, capitals and a last full stop; what is in
        parentheses stays, since it tells homonyms apart.

    Example:
        >>> clean("bow_(weapon)"), clean("Handbag/Satchel")
        ('bow (weapon)', 'handbag or satchel')

    Source: released behaviour, which also removes the full stop.
    """
    words = name.replace("_", " ").replace("/", " or ").lower().split()
    return " ".join(words).rstrip(".") or name


def article(name: str) -> str:
    """The article that goes before a name, by its first letter alone.

    Args:
        name: cleaned.

    Returns:
        "a" or "an".

    Example:
        >>> article("owl"), article("unicycle"), article("hourglass")
        ('an', 'an', 'a')

    Source: released behaviour; by sound it would be "a unicycle".
    """
    return "an" if name[:1] in tuple("aeiou") else "a"


def write_prompts(name: str, templates: Iterable[str]) -> list[str]:
    """The sentences for one name.

    Args:
        name: as in a dataset; it is cleaned first.
        templates: checked templates.

    Returns:
        A sentence per template.

    Example:
        >>> write_prompts("alarm_clock", ["a photo of {article} {}.", "my {}"])
        ['a photo of an alarm clock.', 'my alarm clock']
    """
    name = clean(name)
    # A template may hold the name twice, which plain formatting cannot fill.
    fill = {"": name, "article": article(name), None: ""}
    parse = string.Formatter().parse
    return [
        "".join(text + fill[slot] for text, slot, _, _ in parse(template))
        for template in templates
    ]
