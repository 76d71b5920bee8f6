"""The files inside of a Debian package."""

import contextlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"!<arch>\n"
_END = b"`\n"  # of the header
_HEADER = 60  # bytes before each member: its name first, its size at 48


@contextlib.contextmanager
def open_package(path: Path) -> Iterator[tarfile.TarFile]:
    """Opens what a package would install, to be read in its order.

    Args:
        path: a `.deb` file.

    Yields:
        The archive.

    Raises:
        ValueError: if it is no Debian package.
        tarfile.TarError: if what it packs cannot be read. Of one that is cut between
            two files this says nothing, so digests are for.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it is no Debian package")
        while len(header := file.read(_HEADER)) == _HEADER:
            size = int(header[48:58])
            if size < 0 or not header.endswith(_END):
                raise ValueError("it is no Debian package")
            if header.startswith(b"data.tar"):
                with tarfile.open(fileobj=file, mode="r|*") as archive:
                    yield archive
                return
            file.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError("it has no files")
