"""Unpack a released archive safely."""

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from vild.errors import DownloadError
from vild.files import replacing

_CHUNK = 1 << 16  # bytes
_MAX_UNPACKED = 20 * 10**9  # bytes
_BROKEN_ARCHIVE = (
    gzip.BadGzipFile,
    zlib.error,
    tarfile.TarError,
    EOFError,
    ValueError,  # numbers in headers which are none
    RecursionError,  # headers of headers of headers
)


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
        >>> from vild.checkpoints.archive import unpack
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("hello")
        >>> with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        ...     tar.add(folder / "a.txt", "a.txt")
        >>> unpack(folder / "a.tar.gz", folder / "a")
        >>> [path.name for path in (folder / "a").iterdir()]
        ['a.txt']
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
        with replacing(directory, folder=True) as content:
            _extract(archive, content)
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
