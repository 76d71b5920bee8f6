"""A download under way, kept as `NAME.part` so that it can be resumed."""

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from vild.checkpoints.locks import is_at, try_lock


@dataclass
class Part:
    """A download under way: its bytes, and which version of which file they are.

    `note` is the small file which remembers the version between calls; a part that
    only this call uses has none.
    """

    file: FileIO
    path: Path
    note: Path | None
    url: str = ""
    version: str = ""  # an ETag or a date of the server's; "" cannot be resumed

    def __post_init__(self) -> None:
        if self.note and self.note.is_file():
            self.url, _, version = self.note.read_text("utf-8", "replace").partition(
                "\n"
            )
            self.version = header_value(version)

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def resumable(self) -> bool:
        """Whether a later call can go on with it."""
        return bool(self.note and self.version and self.size)

    def restart(self, url: str, version: str) -> None:
        """Throw the bytes away, and remember which version comes now."""
        self.file.truncate(0)
        self.url, self.version = url, version
        if self.note:
            self.note.write_text(f"{url}\n{version}", "utf-8")

    def write(self, chunk: bytes) -> None:
        """Append bytes, all of them."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[self.file.write(rest) :]

    def close(self) -> None:
        """Remove it, unless it was moved or the next call can go on with it."""
        if self.file.closed or not is_at(self.file, self.path) or self.resumable:
            return
        self.file.close()
        self.path.unlink(missing_ok=True)
        if self.note:
            self.note.unlink(missing_ok=True)

    def finish(self, destination: Path) -> str:
        """Move the whole file to its place, and return its SHA-256."""
        self.file.seek(0)
        digest = hashlib.file_digest(self.file, "sha256").hexdigest()
        if self.note:
            self.note.unlink(missing_ok=True)
        if sys.platform == "win32":  # where no open file can be moved
            self.file.close()
        # Elsewhere the lock is held until it is moved: nobody else writes to it.
        self.path.replace(destination)
        return digest


@contextmanager
def open_part(destination: Path) -> Iterator[Part]:
    """Opens `NAME.part`, or one of our own while another process writes to that.

    Args:
        destination: the path NAME that the whole file will have.

    Yields:
        The part. Unless it is finished inside the block it is removed after it,
        or kept if a later call can go on with it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.bin"
        >>> with open_part(path) as part:
        ...     part.restart("https://example.org/a.bin", "")
        ...     part.write(b"all of it")
        ...     digest = part.finish(path)
        >>> path.read_bytes()
        b'all of it'
    """
    path = destination.with_name(destination.name + ".part")
    while True:
        with path.open("a+b", buffering=0) as file:
            if not _claimed(file):
                break
            # Its last owner may have moved it away before the lock was ours.
            if is_at(file, path):
                part = Part(file, path, path.with_name(path.name + ".version"))
                with closing(part):
                    yield part
                return
    path = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with (
        path.open("a+b", buffering=0) as file,
        closing(Part(file, path, None)) as part,
    ):
        yield part


def _claimed(file: FileIO) -> bool:
    try:
        return try_lock(file)
    except OSError:  # a disk without locks: as if somebody else had it
        return False


def header_value(text: str) -> str:
    """Gives the text if it can be sent in a header, else nothing.

    Args:
        text: what a server or a file said.

    Returns:
        The text, or "".

    Example:
        >>> header_value('"etag"'), header_value("naïve")
        ('"etag"', '')
    """
    return text if text.isascii() and text.isprintable() else ""
