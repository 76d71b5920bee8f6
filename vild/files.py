"""Files and folders that appear whole or not at all."""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        if folder:
            temporary.mkdir()
        yield temporary
        if folder and path.exists():
            old = path.with_name(f"{temporary.name}.old")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
