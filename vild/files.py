"""Files and folders that appear whole or not at all."""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from vild.errors import InputError


@contextlib.contextmanager
def replacing(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """A temporary path that takes the place of `path` if the block succeeds.

    Args:
        path: what to make or replace.
        folder: whether it is a folder. An existing one is replaced by two
            renames, so a reader may miss it for an instant but never sees a
            mixture.

    Yields:
        The temporary path beside it, for a folder already made. It is removed
        if the block fails.

    Example:
        >>> with replacing(Path("a.txt")) as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> Path("a.txt").read_text()
        'all of it'
    """
    path = path.resolve()  # a link stays a link to what is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        if folder:
            temporary.mkdir()
        yield temporary
        if folder and path.exists():
            _swap(temporary, path)
        else:
            temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _swap(new: Path, path: Path) -> None:
    """Puts one folder in the place of another, or leaves that where it is."""
    old = path.with_name(f"{new.name}.old")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def recover(path: Path) -> None:
    """Puts right what a process left that was killed inside `replacing`.

    To be called where nobody else writes.

    Args:
        path: what was made or replaced. If it was just taken away to be replaced, it
            comes back; unfinished copies go.

    Example:
        >>> Path(".a.txt.0123.tmp").touch()
        >>> recover(Path("a.txt"))
        >>> Path(".a.txt.0123.tmp").exists()
        False
    """
    for old in sorted(path.parent.glob(f".{path.name}.*.tmp.old")):
        if not path.exists():
            old.rename(path)
    for rest in path.parent.glob(f".{path.name}.*.tmp*"):
        if rest.is_dir():
            shutil.rmtree(rest, ignore_errors=True)
        else:
            rest.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failure to write into a sentence.

    Args:
        path: what is written, for the message.

    Yields:
        Nothing.

    Raises:
        InputError: where the system refuses.

    Example:
        >>> with writing(Path("a.txt")):
        ...     _ = Path("a.txt").write_text("hello")
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): name a place that "
            "can, with enough room."
        ) from error
