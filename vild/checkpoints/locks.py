"""One process at a time: locks that end with the process that holds them."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

_PAUSE = 0.1  # seconds between two looks at a lock


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until nobody else, in any process or thread, is inside this block.

    Args:
        path: of a lock file, which is there only while somebody is inside. On a
            disk without locks nobody waits.

    Yields:
        Nothing.

    Example:
        >>> import tempfile
        >>> with locked(Path(tempfile.mkdtemp()) / ".lock"):
        ...     print("alone")
        alone
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+b", buffering=0) as file:
            try:
                held = try_lock(file)
            except OSError:
                held = True
            # Its last owner may have removed it before the lock was ours.
            if held and is_at(file, path):
                try:
                    yield
                finally:
                    with suppress(OSError):  # some systems keep what is open
                        path.unlink()
                return
        if not held:
            time.sleep(_PAUSE)


def try_lock(file: FileIO) -> bool:
    """Claims an open file until it is closed, or its process dies.

    Args:
        file: open for writing.

    Returns:
        False if somebody else has it.

    Raises:
        OSError: if the disk knows no locks.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "file"
        >>> with path.open("wb", 0) as one, path.open("wb", 0) as two:
        ...     try_lock(one), try_lock(two)
        (True, False)
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(2**62)  # behind all bytes, which stay readable for others
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_at(file: FileIO, path: Path) -> bool:
    """Whether an open file is still the one at its path.

    Args:
        file: open.
        path: where it was opened.

    Returns:
        False if it was moved, removed or replaced.
    """
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
