"""Fetch a released archive once.

An interrupted download is kept as `NAME.part`; the next call goes on from there,
unless the file on the server has changed since.
"""

import http.client
import re
import shutil
import ssl
import sys
import time
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from vild.checkpoints.part import Part, header_value, open_part
from vild.errors import DownloadError

_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 16  # bytes; what a dropped connection costs at most
_PAUSES = (0.1, 0.3, 0.8)  # seconds before each new attempt
_PROGRESS = 1 << 20  # bytes; an attempt that got this far was worth it
# Reasons that stay as they are however often one asks: a missing or unreadable
# local file, a certificate that is not accepted; a text is what urllib gives where
# it does not even try, as for an unknown scheme.
_LASTING = (
    str,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
    ssl.SSLCertVerificationError,
)


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
        with open_part(destination) as part:
            _download(url, part, destination.name if show else None)
            return part.finish(destination)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"Expected to write {url} to {str(destination)!r}, but that failed with "
            f"{error.strerror!r}; free some space or choose another place."
        ) from error


class _DroppedError(Exception):
    """A failure that another attempt may mend; says what happened."""


def _download(url: str, part: Part, title: str | None) -> None:
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


def _attempt(url: str, part: Part, title: str | None) -> None:
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
        reason = getattr(error, "reason", error)
        # Whatever the server said, in one line.
        said = " ".join(str(reason or error.__class__.__name__).split())
        if isinstance(error, URLError) and isinstance(reason, _LASTING):
            raise DownloadError(
                f"Expected a file at {url}, but it could not be reached ({said}); "
                "check the address."
            ) from error
        raise _DroppedError(f"it could not be reached ({said})") from error
    except ValueError as error:
        raise DownloadError(
            f"Expected an address such as https://..., received {url!r} ({error}); "
            "correct it."
        ) from error
    with response:
        total = _begin(response.headers, response.status, url, part, offset)
        _receive(response, part, total, title)


def _begin(
    headers: Message, status: int | None, url: str, part: Part, offset: int
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
    part: Part,
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
    etag = header_value(headers.get("ETag", ""))
    if etag.startswith('"'):
        return etag
    return header_value(headers.get("Last-Modified", ""))


def _range(headers: Message) -> tuple[int | None, int | None]:
    """Give the start and the total size which a Content-Range header states."""
    header = str(headers.get("Content-Range", ""))
    match = re.match(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)$", header.strip())
    if not match:
        return None, None
    start, total = match.groups()
    return int(start) if start else None, int(total) if total else None
