"""Which checkpoint a path means."""

import os
import re
from pathlib import Path

from vild.errors import CheckpointError

_DATA_SUFFIX = re.compile(r"\.data-\d{5,}-of-\d{5,}$")
_STATE = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.M)


def find_prefix(path: str | os.PathLike[str]) -> Path:
    """Find the checkpoint that a path means.

    Args:
        path: the checkpoint's prefix (`.../model.ckpt-180000`), one of its files,
            or a folder that holds one checkpoint; of several, the one which the
            folder's `checkpoint` file names.

    Returns:
        The prefix: the path to which `.index` is appended.

    Raises:
        CheckpointError: if there is no checkpoint there, or more than one.

    Example:
        >>> from vild.checkpoints.prefix import find_prefix
        >>> find_prefix("tests/checkpoints/fixtures").name
        'model.ckpt-180000'
    """
    path = Path(path)
    try:
        is_folder = path.is_dir() and not _has_index(path)
        prefix = _prefix_in_folder(path) if is_folder else _prefix_of_file(path)
        if _has_index(prefix):
            return prefix
        has_data = any(
            _DATA_SUFFIX.search(other.name)
            and _DATA_SUFFIX.sub("", other.name) == prefix.name
            for other in (prefix.parent.iterdir() if prefix.parent.is_dir() else ())
        )
    except OSError as error:
        raise CheckpointError(
            f"Expected a checkpoint at {str(path)!r}, but looking there failed with "
            f"{error.strerror!r}; check the path and its permissions."
        ) from error
    if has_data:
        raise CheckpointError(
            f"Expected the index {prefix.name + '.index'!r} next to the data file of "
            f"{str(prefix)!r}, but there is no such file; fetch both files."
        )
    found = "is a file of another kind" if path.is_file() else "does not exist"
    raise CheckpointError(
        f"Expected a TensorFlow checkpoint (a prefix such as model.ckpt-180000, its "
        f".index file or its folder), but {str(path)!r} {found}; check the path."
    )


def beside(prefix: Path, suffix: str) -> Path:
    """Gives the path of one of a checkpoint's files.

    Args:
        prefix: of the checkpoint.
        suffix: e.g. `.index`.

    Returns:
        The path; the prefix's own dots are no suffix.

    Example:
        >>> beside(Path("a/model.ckpt-1"), ".index").name
        'model.ckpt-1.index'
    """
    return prefix.parent / (prefix.name + suffix)


def _has_index(prefix: Path) -> bool:
    return bool(prefix.name) and beside(prefix, ".index").is_file()


def _prefix_of_file(path: Path) -> Path:
    if path.name.endswith(".index"):
        return path.with_name(path.name.removesuffix(".index") or path.name)
    return path.with_name(_DATA_SUFFIX.sub("", path.name) or path.name)


def _prefix_in_folder(folder: Path) -> Path:
    state = folder / "checkpoint"
    text = state.read_text("utf-8", "replace") if state.is_file() else ""
    if match := _STATE.search(text):
        named = folder / re.sub(r"\\(.)", r"\1", match[1])
        # A folder which was moved still names the place where it was written.
        for prefix in (named, folder / named.name):
            if _has_index(prefix):
                return prefix
    names = sorted(
        {other.name.removesuffix(".index") for other in folder.glob("?*.index")}
        or {
            _DATA_SUFFIX.sub("", other.name)
            for other in folder.iterdir()
            if _DATA_SUFFIX.search(other.name)
        }
    )
    if len(names) == 1:
        return folder / names[0]
    received = f"{len(names)} of them: {', '.join(names)}" if names else "none"
    raise CheckpointError(
        f"Expected one checkpoint in the folder {str(folder)!r}, received {received}; "
        "give the path of the one you mean, e.g. .../model.ckpt-180000."
    )
