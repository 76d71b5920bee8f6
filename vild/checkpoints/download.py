"""Fetch a released archive once, and unpack it safely.

An interrupted download is kept as `NAME.part`; the next call goes on from there,
unless the file on the server has changed since.
"""

import gzip
import hashlib
import http.client
import os
import re
import secrets
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from io import FileIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import platformdirs
from tqdm import tqdm

from vild.errors import DownloadError

_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 16  # bytes; what a dropped connection costs at most
_PAUSES = (0.1, 0.3, 0.8)  # seconds before each new attempt
_PROGRESS = 1 << 20  # bytes; an attempt that got this far was worth it
_MAX_UNPACKED = 20 * 10**9  # bytes
_BROKEN_ARCHIVE = (
    gzip.BadGzipFile,
    zlib.error,
    tarfile.TarError,
    EOFError,
    ValueError,  # numbers in headers which are none
    RecursionError,  # headers of headers of headers
)


def cache_dir() -> Path:
    """Give the folder where downloads are kept.

    Returns:
        The folder that the environment variable `VILD_CACHE` names, else the
        user's cache folder of this system. It need not exist yet.

    Example:
        >>> from vild.checkpoints.download import cache_dir
        >>> (cache_dir() / "released.tar.gz").name
        'released.tar.gz'
    """
    if chosen := os.environ.get("VILD_CACHE"):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("vild")


def fetch(url: str, destination: Path, *, progress: bool | None = None) -> str:
    """Download a file, going on where an interrupted call stopped.

    Args:
        url: where it is: `https://`, `http://` or `file://`.
        destination: where to put it; a file that is there is replaced, and only
            when the download is whole.
        progress: whether to show a progress bar on stderr; None shows one on a
            terminal.

    Returns:
        The SHA-256 of the whole file, as 64 hexadecimal digits.

    Raises:
        DownloadError: if the server cannot be reached, refuses or stops half-way,
            or if the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from vild.checkpoints.download import fetch
        >>> source = Path("pyproject.toml").resolve().as_uri()
        >>> len(fetch(source, Path(tempfile.mkdtemp()) / "copy.toml"))
        64
    """
    destination = Path(destination)
    show = bool(sys.stderr and sys.stderr.isatty()) if progress is None else progress
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.is_dir():
            raise DownloadError(
                f"Expected {str(destination)!r} to be a file to download to, but it is "
                "a folder; add a file name."
            )
        with _open_part(destination) as part:
            _download(url, part, destination.name if show else None)
            return part.finish(destination)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"Expected to write {url} to {str(destination)!r}, but that failed with "
            f"{error.strerror!r}; free some space or choose another place."
        ) from error


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a .tar.gz archive into a new folder, all of it or nothing.

    Args:
        archive: the archive; it may hold only plain files and folders, of 20 GB
            in all.
        directory: the folder to make.

    Raises:
        DownloadError: if the archive is damaged, tries to reach outside of the
            folder or is too large, or if the folder cannot be made.

    Example:
        >>> import tarfile, tempfile
        >>> from pathlib import Path
        >>> from vild.checkpoints.download import unpack
        >>> folder = Path(tempfile.mkdtemp())
        >>> with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        ...     tar.add("pyproject.toml")
        >>> unpack(folder / "a.tar.gz", folder / "a")
        >>> [path.name for path in (folder / "a").iterdir()]
        ['pyproject.toml']
    """
    archive, directory = Path(archive), Path(directory)
    try:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
        if directory.exists():
            raise DownloadError(
                f"Expected to unpack {str(archive)!r} into a new folder, but "
                f"{str(directory)!r} exists; remove it or choose another."
            )
        directory.parent.mkdir(parents=True, exist_ok=True)
        # A sibling is on the same disk, so that renaming it is one step.
        with tempfile.TemporaryDirectory(
            prefix=f".{directory.name}.", dir=directory.parent
        ) as scratch:
            content = Path(scratch) / "content"
            content.mkdir()
            _extract(archive, content)
            content.rename(directory)
    except DownloadError:
        raise
    except _BROKEN_ARCHIVE as error:
        raise DownloadError(
            f"Expected {str(archive)!r} to be a whole .tar.gz archive, but reading it "
            f"failed with {str(error)!r}; delete it and download it again."
        ) from error
    except OSError as error:
        raise DownloadError(
            f"Expected to unpack {str(archive)!r} into {str(directory)!r}, but that "
            f"failed with {error.strerror!r}; check the path and the free space."
        ) from error


class _DroppedError(Exception):
    """A failure that another attempt may mend; says what happened."""


@dataclass
class _Part:
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
            self.version = _header_value(version)

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    @property
    def resumable(self) -> bool:
        return bool(self.note and self.version and self.size)

    def restart(self, url: str, version: str) -> None:
        """Throw the bytes away, and remember which version comes now."""
        self.file.truncate(0)
        self.url, self.version = url, version
        if self.note:
            self.note.write_text(f"{url}\n{version}", "utf-8")

    def write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            rest = rest[self.file.write(rest) :]

    def close(self) -> None:
        """Remove it, unless it was moved or the next call can go on with it."""
        if self.file.closed or not _is_at(self.file, self.path) or self.resumable:
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
def _open_part(destination: Path) -> Iterator[_Part]:
    """Open `NAME.part`, or one of our own while another process writes to that."""
    path = destination.with_name(destination.name + ".part")
    while True:
        with path.open("a+b", buffering=0) as file:
            if not _lock(file):
                break
            # Its last owner may have moved it away before the lock was ours.
            if _is_at(file, path):
                part = _Part(file, path, path.with_name(path.name + ".version"))
                with closing(part):
                    yield part
                return
    path = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with (
        path.open("a+b", buffering=0) as file,
        closing(_Part(file, path, None)) as part,
    ):
        yield part


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: FileIO) -> bool:
    """Claim a file until it is closed, or its process dies; False if another has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(2**62)  # behind all bytes, which stay readable for others
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _download(url: str, part: _Part, title: str | None) -> None:
    """Fill the part, with new attempts when the connection drops."""
    failures, best = 0, part.size
    while True:
        try:
            return _attempt(url, part, title)
        except _DroppedError as drop:
            if part.size >= best + _PROGRESS:
                failures, best = 0, part.size
            if failures == len(_PAUSES):
                then = (
                    f"the {part.size} bytes received are kept in {str(part.path)!r}, "
                    "and the same call will resume from there"
                    if part.resumable and part.url == url
                    else "check the address and the network, and try again"
                )
                raise DownloadError(
                    f"Expected to download {url}, but {drop}; {then}."
                ) from drop
            time.sleep(_PAUSES[failures])
            failures += 1


def _attempt(url: str, part: _Part, title: str | None) -> None:
    offset = part.size if part.url == url and part.version else 0
    headers = {"User-Agent": "vild"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.version}
    try:
        response = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        with error:
            if error.code == 416 and offset:
                size, version = _range(error.headers)[1], _version(error.headers)
                if size == offset and version in ("", part.version):
                    return  # all of it was here
                part.restart(url, "")
                raise _DroppedError("the file on the server changed") from error
            said = f"the server answered {error.code} {error.reason!r}"
        if error.code in (408, 429) or error.code >= 500:
            raise _DroppedError(said) from error
        raise DownloadError(
            f"Expected a file at {url}, but {said}; check the address."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", error) or error.__class__.__name__)
        reason = " ".join(reason.split())  # whatever the server said, in one line
        raise _DroppedError(f"it could not be reached ({reason})") from error
    except ValueError as error:
        raise DownloadError(
            f"Expected an address such as https://..., received {url!r} ({error}); "
            "correct it."
        ) from error
    with response:
        total = _begin(response.headers, response.status, url, part, offset)
        _receive(response, part, total, title)


def _begin(
    headers: Message, status: int | None, url: str, part: _Part, offset: int
) -> int | None:
    """Ready the part for the bytes that follow; give the size of the whole file."""
    version = _version(headers)
    if status == 206:
        start, total = _range(headers)
        if start != offset or not offset or version not in ("", part.version):
            part.restart(url, "")
            raise _DroppedError("the server sent another part than was asked for")
    else:
        part.restart(url, version)
        length = headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    missing = (total or 0) - part.size
    free = shutil.disk_usage(part.path.parent).free
    if 0 < free < missing:  # some network disks say 0 and have room all the same
        raise DownloadError(
            f"Expected {missing} bytes of free space for {url} at "
            f"{str(part.path.parent)!r}, found {free}; free some or choose another "
            "place."
        )
    return total


def _receive(
    response: http.client.HTTPResponse,
    part: _Part,
    total: int | None,
    title: str | None,
) -> None:
    with tqdm(
        desc=title,
        total=total,
        initial=part.size,
        unit="B",
        unit_scale=True,
        disable=title is None,
        file=sys.stderr,
    ) as bar:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _DroppedError(f"the connection broke ({error})") from error
            if not chunk:
                break
            part.write(chunk)
            bar.update(len(chunk))
    if total is not None and part.size != total:
        size = part.size
        if size > total:
            part.restart(part.url, "")
        raise _DroppedError(f"the server stopped after {size} of {total} bytes")


def _version(headers: Message) -> str:
    """Give what names this version of the file; If-Range allows no weak ETag."""
    etag = _header_value(headers.get("ETag", ""))
    if etag.startswith('"'):
        return etag
    return _header_value(headers.get("Last-Modified", ""))


def _header_value(text: str) -> str:
    """Give the text if it can be sent in a header, else nothing."""
    return text if text.isascii() and text.isprintable() else ""


def _range(headers: Message) -> tuple[int | None, int | None]:
    """Give the start and the total size which a Content-Range header states."""
    header = str(headers.get("Content-Range", ""))
    match = re.match(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)$", header.strip())
    if not match:
        return None, None
    start, total = match.groups()
    return int(start) if start else None, int(total) if total else None


def _extract(archive: Path, content: Path) -> None:
    unpacked = 0
    with gzip.open(archive) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            # A second guard, which Python has since 3.11.4.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            for member in tar:
                _refuse_unsafe(archive, member)
                unpacked += member.size
                _refuse_large(archive, unpacked)
                tar.extract(member, content)
        # Only at the end of the stream is its checksum verified.
        while padding := stream.read(_CHUNK):
            unpacked += len(padding)
            _refuse_large(archive, unpacked)
    if not any(content.iterdir()):
        raise tarfile.ReadError("it holds no files")


def _refuse_unsafe(archive: Path, member: tarfile.TarInfo) -> None:
    posix, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
    if posix.is_absolute() or windows.anchor or ".." in windows.parts:
        problem = "reaches outside of its folder"
    elif member.isfile() or member.isdir():
        return
    else:
        problem = "is a link or a device"
    raise DownloadError(
        f"Expected plain files and folders in {str(archive)!r}, but its member "
        f"{member.name!r} {problem}; get the archive from a source you trust."
    )


def _refuse_large(archive: Path, unpacked: int) -> None:
    if unpacked > _MAX_UNPACKED:
        raise DownloadError(
            f"Expected at most {_MAX_UNPACKED} bytes in {str(archive)!r}, but it holds "
            "more; get the archive from a source you trust."
        )
