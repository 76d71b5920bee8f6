"""Downloads from a real server on this machine."""

import hashlib
import http.server
import random
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vild.checkpoints.download import fetch
from vild.errors import DownloadError

pytestmark = pytest.mark.numpy

BODY = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """A file server whose faults a test can set."""

    body = BODY
    etag = '"one"'
    ranges = True  # whether it understands Range
    if_range = True  # whether it understands If-Range
    faults = 0  # how many of the next answers it breaks off half-way
    broken_status = 0  # the status which it answers, if any, to the next `faults`
    claimed = 0  # the Content-Length which it states, if not the true one
    pace = 0.0  # seconds before the second half of an answer
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(dict(self.headers.items()))
        if self.path != "/file.tar.gz":
            return self.send_error(404)
        if server.faults and server.broken_status:
            server.faults -= 1
            return self.send_error(server.broken_status)
        start = 0
        wanted = self.headers.get("Range") if server.ranges else None
        same = self.headers.get("If-Range") == server.etag or not server.if_range
        if wanted and same:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        size = len(server.body)
        if start and start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("ETag", server.etag)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(server.claimed or size - start))
        self.end_headers()
        rest = server.body[start:]
        self.wfile.write(rest[: len(rest) // 2])
        self.wfile.flush()
        if server.faults:
            server.faults -= 1
            return None
        time.sleep(server.pace)
        self.wfile.write(rest[len(rest) // 2 :])
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.tar.gz"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_fetch(server: Server, target: Path) -> None:
    assert fetch(server.url, target) == DIGEST
    assert target.read_bytes() == BODY
    assert names(target.parent) == [target.name]
    assert "Range" not in server.requests[0]


def test_fetch_replaces_an_older_file(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"older")
    assert fetch(server.url, target) == DIGEST
    assert target.read_bytes() == BODY


def test_fetch_an_empty_file(server: Server, target: Path) -> None:
    server.body = b""
    assert fetch(server.url, target) == hashlib.sha256(b"").hexdigest()
    assert names(target.parent) == [target.name]


def test_fetch_a_file_url(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "with space.bin"
    source.write_bytes(BODY)
    assert fetch(source.as_uri(), target) == DIGEST
    assert target.read_bytes() == BODY
    assert names(target.parent) == [target.name]


@pytest.mark.parametrize("progress", [True, False, None])
def test_progress_is_shown_on_stderr(
    server: Server,
    target: Path,
    capsys: pytest.CaptureFixture[str],
    progress: bool | None,
) -> None:
    fetch(server.url, target, progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    assert (target.name in err) is (progress is True)


def test_a_dropped_connection_is_resumed_in_the_same_call(
    server: Server, target: Path
) -> None:
    server.faults = 1
    assert fetch(server.url, target) == DIGEST
    first, second = server.requests
    assert "Range" not in first
    assert second["Range"] == f"bytes={len(BODY) // 2}-"
    assert second["If-Range"] == server.etag
    assert names(target.parent) == [target.name]


def test_a_server_that_always_stops_half_way(server: Server, target: Path) -> None:
    server.faults = 99
    with pytest.raises(DownloadError, match=r"kept.*same call will resume"):
        fetch(server.url, target)
    assert not target.exists()
    kept = (target.parent / "file.tar.gz.part").read_bytes()
    assert 0 < len(kept) < len(BODY)
    assert kept == BODY[: len(kept)]

    server.faults = 0
    server.requests.clear()
    assert fetch(server.url, target) == DIGEST
    assert [asked["Range"] for asked in server.requests] == [f"bytes={len(kept)}-"]
    assert target.read_bytes() == BODY
    assert names(target.parent) == [target.name]


def interrupted(server: Server, target: Path) -> None:
    """Leave half of a download behind, as the test above shows."""
    server.faults = 99
    with pytest.raises(DownloadError):
        fetch(server.url, target)
    server.faults = 0
    server.requests.clear()


@pytest.mark.parametrize("if_range", [True, False])
@pytest.mark.parametrize("size", [400_000, 300_000, None, 1_000])
def test_a_changed_file_is_not_spliced(
    server: Server, target: Path, if_range: bool, size: int | None
) -> None:
    interrupted(server, target)
    if size is None:  # exactly what was received of the old one
        size = target.with_name("file.tar.gz.part").stat().st_size
    server.if_range = if_range
    server.etag, server.body = '"two"', random.Random(1).randbytes(size)
    assert fetch(server.url, target) == hashlib.sha256(server.body).hexdigest()
    assert "Range" in server.requests[0]
    assert target.read_bytes() == server.body
    assert names(target.parent) == [target.name]


def test_a_part_of_another_address_is_not_spliced(server: Server, target: Path) -> None:
    interrupted(server, target)
    with Server() as other:
        other.body = random.Random(2).randbytes(400_000)
        threading.Thread(target=other.serve_forever, args=(0.01,)).start()
        digest = fetch(other.url, target)
        other.shutdown()
    assert digest == hashlib.sha256(other.body).hexdigest()
    assert "Range" not in other.requests[0]


def test_a_server_that_ignores_ranges(server: Server, target: Path) -> None:
    interrupted(server, target)
    server.ranges = False
    assert fetch(server.url, target) == DIGEST
    assert "Range" in server.requests[0]
    assert target.read_bytes() == BODY


def test_a_server_without_versions_is_not_resumed(server: Server, target: Path) -> None:
    server.etag = ""
    server.faults = 99
    with pytest.raises(DownloadError, match="try again"):
        fetch(server.url, target)
    assert names(target.parent) == []
    server.faults = 1
    assert fetch(server.url, target) == DIGEST
    assert not any("Range" in asked for asked in server.requests)


def test_a_part_that_is_already_whole(server: Server, target: Path) -> None:
    interrupted(server, target)
    target.with_name("file.tar.gz.part").write_bytes(BODY)
    assert fetch(server.url, target) == DIGEST
    assert len(server.requests) == 1
    assert names(target.parent) == [target.name]


def test_a_part_without_its_version_starts_anew(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.tar.gz.part").write_bytes(b"who knows what")
    assert fetch(server.url, target) == DIGEST
    assert "Range" not in server.requests[0]


def test_a_missing_file(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError, match="404 'Not Found'"):
        fetch(server.url + ".zip", target)
    assert len(server.requests) == 1
    assert names(target.parent) == []


def test_a_busy_server_is_asked_again(server: Server, target: Path) -> None:
    server.faults, server.broken_status = 2, 503
    assert fetch(server.url, target) == DIGEST
    server.faults = 99
    with pytest.raises(DownloadError, match="503"):
        fetch(server.url, target)


def test_a_server_that_is_not_there(target: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # taken, but nobody listens
        with pytest.raises(DownloadError, match="could not be reached"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/x", target)
    assert names(target.parent) == []


@pytest.mark.parametrize(
    "url",
    ["", "no address", "http://[", "http:/x", "odd://x/y", "file:///no/such/file"],
)
def test_what_cannot_get_better_is_not_tried_again(target: Path, url: str) -> None:
    # What is worth another attempt ends in "and try again".
    with pytest.raises(DownloadError, match=r"(check the address|correct it)\.$"):
        fetch(url, target)
    assert names(target.parent) == []


def test_a_download_larger_than_the_disk(server: Server, target: Path) -> None:
    server.claimed = 10**18
    with pytest.raises(DownloadError, match="bytes of free space"):
        fetch(server.url, target)
    assert names(target.parent) == []


def test_a_disk_that_refuses_more(server: Server, target: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DownloadError, match="File too large"):
            fetch(server.url, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not target.exists()
    assert fetch(server.url, target) == DIGEST  # goes on when there is room again
    assert server.requests[-1]["Range"] == "bytes=100000-"


def test_a_destination_that_is_a_folder(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is a folder"):
        fetch(server.url, tmp_path)


def test_a_destination_below_a_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="Expected to write"):
        fetch(server.url, tmp_path / "file" / "x")


def test_downloads_at_the_same_time(server: Server, target: Path) -> None:
    server.pace = 0.3
    digests: list[str] = []
    threads = [
        threading.Thread(target=lambda: digests.append(fetch(server.url, target)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [DIGEST] * 5
    assert target.read_bytes() == BODY
    assert names(target.parent) == [target.name]


def test_a_killed_process_is_resumed(server: Server, target: Path) -> None:
    server.pace = 5.0
    code = f"""
        from pathlib import Path
        from vild.checkpoints.download import fetch
        fetch({server.url!r}, Path({str(target)!r}))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    part = target.with_name("file.tar.gz.part")
    while process.poll() is None and (not part.exists() or part.stat().st_size < 65536):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    received = part.stat().st_size
    server.pace = 0.0
    assert fetch(server.url, target) == DIGEST
    assert server.requests[-1]["Range"] == f"bytes={received}-"
    assert names(target.parent) == [target.name]
