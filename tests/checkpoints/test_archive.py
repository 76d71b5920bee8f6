"""Archives as they should be, and hostile ones."""

import gzip
import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from vild.checkpoints.archive import unpack
from vild.errors import DownloadError

pytestmark = pytest.mark.numpy

BODY = random.Random(0).randbytes(300_000)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make_archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_unpack(tmp_path: Path) -> None:
    members = {"model/a.index": b"index", "model/b": BODY, "c": b"", "./d/e": b"e"}
    archive = make_archive(tmp_path / "a.tar.gz", members)
    unpack(archive, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    for name, content in members.items():
        assert (folder / name).read_bytes() == content
    assert names(folder.parent) == ["folder"]
    # The folder is as open as any other which this user makes.
    assert folder.stat().st_mode == folder.parent.stat().st_mode


def test_unpack_into_a_folder_that_exists(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.tar.gz", {"a": b"a"})
    folder = tmp_path / "folder"
    folder.mkdir()
    unpack(archive, folder)  # an empty one is as good as none
    with pytest.raises(DownloadError, match="exists"):
        unpack(archive, folder)
    assert names(folder) == ["a"]


def refused(archive: Path, message: str) -> None:
    """Check that an archive is refused, and that nothing of it is left."""
    before = names(archive.parent)
    with pytest.raises(DownloadError, match=message):
        unpack(archive, archive.parent / "folder")
    assert names(archive.parent) == before


@pytest.mark.parametrize(
    "name", ["/etc/evil", "../evil", "a/../../evil", "C:\\evil", "a\\..\\..\\evil"]
)
def test_a_member_that_reaches_outside(tmp_path: Path, name: str) -> None:
    archive = make_archive(tmp_path / "a.tar.gz", {"good": b"good", name: b"evil"})
    refused(archive, "evil.*reaches outside")


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        b"?",
    ],
)
def test_a_member_that_is_no_file(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("good"))
        member = tarfile.TarInfo("evil")
        member.type, member.linkname = kind, "good"
        tar.addfile(member)
    refused(tmp_path / "a.tar.gz", "'evil' is a link or a device")


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    member = tarfile.TarInfo("zeros")
    member.size = 21 * 10**9
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(member.tobuf())
    refused(tmp_path / "a.tar.gz", "at most 20000000000 bytes")


def test_an_archive_cut_anywhere(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.tar.gz", {"a": b"a" * 999, "b/c": BODY[:999]})
    whole = archive.read_bytes()
    for length in [*range(0, len(whole), 61), len(whole) - 1]:
        archive.write_bytes(whole[:length])
        refused(archive, r"whole \.tar\.gz archive")


def test_an_archive_with_a_flipped_byte(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.tar.gz", {"a": BODY[:2000], "b": b"b"})
    whole = bytearray(archive.read_bytes())
    for place in range(20, len(whole), 41):  # behind the date and the name
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        archive.write_bytes(damaged)
        refused(archive, r"Expected")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        gzip.compress(b""),
        gzip.compress(BODY),
        gzip.compress(bytes(10240)),
    ],
    # gzip writes the time of day, and two processes must agree on a test's name.
    ids=["nothing", "a picture", "an empty gzip", "a short gzip", "a gzip of zeros"],
)
def test_something_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    refused(tmp_path / "a.tar.gz", r"whole \.tar\.gz archive")


def test_an_archive_that_is_missing(tmp_path: Path) -> None:
    refused(tmp_path / "a.tar.gz", os.strerror(2))


def test_a_member_below_a_file(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.tar.gz", {"a": b"a", "a/b": b"b"})
    refused(archive, "Expected to unpack")
