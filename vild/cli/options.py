"""Arguments that commands share: the settings, and classes in words."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vild.errors import InputError

if TYPE_CHECKING:
    from vild.vocabulary import Vocabulary


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds the settings of detection under the names of `vild.settings.Settings`.

    Args:
        parser: of a command. A setting that is not given is not set, so that the
            detector's own default holds.
    """
    group = parser.add_argument_group(
        "settings", "What is not given is as the model has it."
    )

    def add(flag: str, **how: Any) -> None:
        group.add_argument(flag, default=argparse.SUPPRESS, **how)

    add(
        "--score-threshold",
        type=float,
        metavar="T",
        help="report scores above T, from 0 to 1",
    )
    add(
        "--image-size",
        type=image_size,
        metavar="N|HxW",
        help="scale the photo to fit a square of N, or a height and width, in pixels",
    )
    add("--max-detections", type=int, metavar="N", help="detections per photo")
    add(
        "--nms-iou",
        type=number_or_none,
        metavar="X|none",
        help="of two boxes of a class that overlap this much the better one stays; "
        "none: each region is reported once, under its best class",
    )
    add("--num-proposals", type=int, metavar="N", help="regions per photo")
    add(
        "--pre-nms-proposals",
        type=int,
        metavar="N",
        help="boxes per pyramid level that enter the suppression",
    )
    add(
        "--pre-nms-detections",
        type=int,
        metavar="N",
        help="regions per class that enter the suppression",
    )
    add(
        "--rivals",
        action=argparse.BooleanOptionalAction,
        help="let the model's own classes compete for regions, unreported, so that "
        "what is not asked for is not taken for something that is",
    )
    add("--no-masks", dest="masks", action="store_false", help="boxes only, faster")
    add("--dtype", metavar="D", help="float32, bfloat16 or float16")


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, checked.

    Args:
        arguments: of a parser with `add_settings`.

    Returns:
        Setting -> value.

    Raises:
        InputError: for a value out of range.
    """
    # Imported late: it brings numpy.
    from vild.settings import ModelOverrides, Settings

    given = vars(arguments)
    names = ModelOverrides.__annotations__
    settings = {name: given[name] for name in names if name in given}
    Settings().replace(settings)
    return settings


def image_size(text: str) -> int | tuple[int, int]:
    """Reads an image size.

    Args:
        text: `640`, or height and width as in `480x640`.

    Returns:
        A number, or (height, width).

    Raises:
        ValueError: if it is neither.

    Example:
        >>> image_size("480x640")
        (480, 640)
    """
    height, cross, width = text.lower().partition("x")
    return (int(height), int(width)) if cross else int(height)


# Names in argparse's message: "invalid N or HxW value: 'big'".
image_size.__name__ = "N or HxW"


def count(text: str) -> int:
    """Reads a whole number above 0.

    Args:
        text: digits.

    Returns:
        The number.

    Raises:
        ArgumentTypeError: if it is something else.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a whole number above 0: {text!r}")
    return int(text)


def processors() -> int:
    """How many processors this process may use.

    Returns:
        1 or more.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_classes(text: str | None) -> "list[list[str]] | Vocabulary | None":
    """Reads classes as they are written on the command line.

    Args:
        text: names separated by commas, synonyms in them by `|`; or `@` and the
            name of a file: a UTF-8 text file with a class a line, where commas
            belong to the name, or a saved vocabulary (`.npz`). None for the
            model's own classes.

    Returns:
        A list of synonyms per class, the name to show first; or a vocabulary; or
        None.

    Raises:
        InputError: for a text file that cannot be read and for names that are
            empty or there twice.
        CheckpointError: for a vocabulary that cannot be read.

    Example:
        >>> read_classes("sofa|couch, traffic cone")
        [['sofa', 'couch'], ['traffic cone']]
    """
    if text is None:
        return None
    from vild.names import check_classes

    if text.startswith("@") and text.lower().endswith(".npz"):
        from vild.vocabulary import Vocabulary

        return Vocabulary.load(text[1:])
    if text.startswith("@"):
        lines = [line for line in _read_text(Path(text[1:])) if line.strip()]
    else:
        lines = text.split(",")
    return check_classes([[name.strip() for name in line.split("|")] for line in lines])


def read_templates(text: str | None) -> str | list[str] | None:
    """Reads prompts as they are written on the command line.

    Args:
        text: the name of a set, or `@` and the name of a UTF-8 text file with a
            template a line; None for the teacher's own.

    Returns:
        A name, a list of templates, or None.

    Raises:
        InputError: for a file that cannot be read or templates without a slot.
    """
    if text is None:
        return None
    from vild import prompts

    if text.startswith("@"):
        lines = [line for line in _read_text(Path(text[1:])) if line.strip()]
        return list(prompts.read_templates(lines))
    prompts.read_templates(text)
    return text


def _read_text(path: Path) -> list[str]:
    try:
        # Editors on Windows put a mark before the first letter.
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"The file {str(path)!r} is not UTF-8 text ({error.reason} at byte "
            f"{error.start}): save it with that encoding."
        ) from error
    except OSError as error:
        raise InputError(
            f"The file {str(path)!r} cannot be read: {error.strerror or error}."
        ) from error


def number_or_none(text: str) -> float | None:
    """Reads a number, or its absence.

    Args:
        text: a number, or `none`.

    Returns:
        The number, or None.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> number_or_none("0.5"), number_or_none("none")
        (0.5, None)
    """
    return None if text.lower() == "none" else float(text)


number_or_none.__name__ = "number or none"
