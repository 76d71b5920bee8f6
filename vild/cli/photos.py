"""From the arguments to the photos that are meant."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from vild.errors import InputError

# What is a picture in a folder; a file named by itself may have any ending.
_ENDINGS = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".png"),
    *(".tif", ".tiff", ".webp"),
)


def expand(arguments: Sequence[str]) -> tuple[list[Path], list[InputError]]:
    """Finds the photos and looks whether they can be opened, without decoding them.

    Args:
        arguments: files; folders, which stand for the pictures right in them; and
            patterns such as `*.jpg`, for shells that do not expand those.

    Returns:
        The photos, each once, in the order given, those of a folder or pattern by
        name; and what is wrong with the others.

    Example:
        >>> expand(["no-such-photo.jpg"])[0]
        []
    """
    photos: list[Path] = []
    problems: list[InputError] = []
    for argument in arguments:
        try:
            found = list(_matches(argument))
        except InputError as problem:
            problems.append(problem)
            continue
        for photo in found:
            try:
                _check(photo)
                photos.append(photo)
            except InputError as problem:
                problems.append(problem)
    return list(dict.fromkeys(photos)), problems


def _matches(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if path.is_dir():
        yield from _pictures(path)
    elif path.exists() or not glob.has_magic(argument):
        yield path
    else:
        # Path.glob takes no pattern that begins at the root.
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
        if not matches:
            raise InputError(f"No file matches {argument!r}: check the pattern.")
        for match in map(Path, matches):
            if match.is_dir():
                yield from _pictures(match)
            else:
                yield match


def _pictures(folder: Path) -> list[Path]:
    try:
        found = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _ENDINGS
            and not path.name.startswith(".")
            and path.is_file()
        )
    except OSError as error:
        raise InputError(
            f"The folder {str(folder)!r} cannot be read: {error.strerror or error}."
        ) from error
    if not found:
        raise InputError(
            f"The folder {str(folder)!r} holds no pictures: folders inside of it are "
            "not searched."
        )
    return found


def _check(photo: Path) -> None:
    """Reads the head of the file only: thousands are checked in a moment."""
    from PIL import Image

    from vild.data.images import load_image

    try:
        with Image.open(photo):
            pass
    except Exception:  # damage shows itself in many ways
        load_image(photo)  # finds the words for it
