"""Packages from a folder, a registry over http, and through the real npm."""

import functools
import http.server
import json
import os
import shutil
import threading
from dataclasses import replace
from typing import ClassVar

import pytest

from vild.data.stickers.packages import SOURCE, obtain, package_path
from vild.errors import DownloadError

pytestmark = pytest.mark.numpy


class Registry(http.server.SimpleHTTPRequestHandler):
    """As much of a registry of npm as fetching a package takes."""

    styles = ()
    asked: ClassVar[list] = []
    broken = False

    def do_GET(self):
        self.asked.append(self.path)
        if self.broken:
            return self.answer(b"the first half of it", "application/gzip", 40)
        here = f"http://127.0.0.1:{self.server.server_port}"
        for style in self.styles:
            name = self.path.lower().replace("%2f", "/").strip("/")
            if name == style.package:
                file = f"{here}/{style.package}/-/{style.name}-1.0.0.tgz"
                dist = {"tarball": file, "integrity": f"sha512-{style.sha512}"}
                version = {"name": style.package, "version": "1.0.0", "dist": dist}
                told = {"name": style.package, "versions": {"1.0.0": version}}
                return self.answer(json.dumps(told).encode(), "application/json")
            if name == f"{style.package}/-/{style.name}-1.0.0.tgz":
                return super().do_GET()
        return self.send_error(404)

    def translate_path(self, path):
        stem = path.rpartition("/")[2]
        return f"{self.directory}/tiny-{stem}"

    def answer(self, data, kind, length=None):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def registry(packages):
    folder, styles = packages
    kind = type("Mine", (Registry,), {"styles": styles, "asked": []})
    handler = functools.partial(kind, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", kind
        server.shutdown()


@pytest.fixture
def no_npm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY", SOURCE):
        monkeypatch.delenv(name, raising=False)


def left(style):
    folder = package_path(style).parent
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_from_a_folder_and_then_from_the_cache(packages, monkeypatch, tmp_path):
    folder, styles = packages
    monkeypatch.setenv(SOURCE, str(folder))
    path = obtain(styles[0])
    assert path.read_bytes() == (folder / styles[0].file_name).read_bytes()
    assert left(styles[0]) == [styles[0].file_name]
    monkeypatch.setenv(SOURCE, str(tmp_path / "gone"))
    assert obtain(styles[0]) == path
    with pytest.raises(DownloadError, match=r"has no 'tiny-named-1.0.0.tgz': put it"):
        obtain(styles[1])


@pytest.mark.usefixtures("no_npm")
def test_photos_are_not_asked_of_npm(packages, registry, monkeypatch):
    folder, styles = packages
    address, server = registry
    monkeypatch.setenv(SOURCE, address)
    with pytest.raises(DownloadError, match=rf"put {styles[4].file_name}, of Debian's"):
        obtain(styles[4])
    assert server.asked == []
    assert left(styles[4]) == []
    monkeypatch.setenv(SOURCE, str(folder))
    path = obtain(styles[4])
    assert path.read_bytes() == (folder / styles[4].file_name).read_bytes()
    missing = replace(styles[4], package="other", sha512="")
    with pytest.raises(DownloadError, match=r"\(apt-get download other=1.0.0 makes"):
        obtain(missing)


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
@pytest.mark.usefixtures("no_npm")
def test_photos_by_apt_get(packages, tmp_path):
    folder, styles = packages
    style = styles[4]
    file = folder / style.file_name
    program = tmp_path / "apt-get"

    def runs(command):
        program.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\n{command}\n')
        program.chmod(0o755)

    runs("echo no such version >&2; exit 100")
    with pytest.raises(DownloadError, match=r"=1.0.0 failed \(no such version\)"):
        obtain(style)
    assert left(style) == []
    runs(f"/bin/cp '{file}' .")
    with pytest.raises(DownloadError, match="is not the package that was expected"):
        obtain(replace(style, sha512=styles[1].sha512))
    assert left(style) == []
    assert obtain(style).read_bytes() == file.read_bytes()
    asked = (tmp_path / "asked").read_text()
    assert asked == f"download {style.package}={style.version}\n"


def test_what_is_not_the_package_is_refused(packages, monkeypatch, tmp_path):
    folder, styles = packages
    monkeypatch.setenv(SOURCE, str(folder))
    with pytest.raises(DownloadError, match="is not the package that was expected"):
        obtain(replace(styles[0], sha512=styles[1].sha512))
    assert left(styles[0]) == []
    cut = tmp_path / "cut"
    cut.mkdir()
    whole = (folder / styles[0].file_name).read_bytes()
    (cut / styles[0].file_name).write_bytes(whole[:-1])
    monkeypatch.setenv(SOURCE, str(cut))
    with pytest.raises(DownloadError, match="SHA-512"):
        obtain(styles[0])
    assert left(styles[0]) == []


def test_a_damaged_cache_is_mended(packages, monkeypatch):
    folder, styles = packages
    monkeypatch.setenv(SOURCE, str(folder))
    path = obtain(styles[0])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert obtain(styles[0]).read_bytes() == whole


def test_over_http_from_a_named_registry(packages, registry, monkeypatch):
    folder, styles = packages
    address, server = registry
    monkeypatch.setenv(SOURCE, f"{address}/")
    path = obtain(styles[2])
    assert path.read_bytes() == (folder / styles[2].file_name).read_bytes()
    assert server.asked == ["/@tiny/painted/-/painted-1.0.0.tgz"]


def test_a_connection_that_breaks(packages, registry, monkeypatch):
    folder, styles = packages
    address, server = registry
    monkeypatch.setenv(SOURCE, address)
    server.broken = True
    with pytest.raises(DownloadError, match=r"stopped after 20 of 40 bytes"):
        obtain(styles[0])
    assert styles[0].file_name not in left(styles[0])
    server.broken = False
    path = obtain(styles[0])
    assert path.read_bytes() == (folder / styles[0].file_name).read_bytes()


@pytest.mark.parametrize("how", ["variable", "file"])
@pytest.mark.usefixtures("no_npm")
def test_without_npm_its_registry_is_asked(
    packages, registry, monkeypatch, tmp_path, how
):
    address, server = registry
    if how == "variable":
        monkeypatch.setenv("npm_config_registry", address)
    else:
        (tmp_path / ".npmrc").write_text(f"fund=false\nregistry={address}/\n")
    assert obtain(packages[1][1]).is_file()
    assert server.asked == ["/@tiny/named/-/named-1.0.0.tgz"]


@pytest.mark.usefixtures("no_npm")
def test_without_npm_and_its_settings_nothing_is_guessed(packages):
    with pytest.raises(DownloadError, match="install npm, or name a registry") as no:
        obtain(packages[1][1])
    assert SOURCE in str(no.value)
    assert left(packages[1][1]) == []


@pytest.mark.usefixtures("no_npm")
def test_what_to_do_when_nothing_answers(packages, registry, monkeypatch):
    style = packages[1][0]
    monkeypatch.setenv("npm_config_registry", f"{registry[0]}/nowhere")
    with pytest.raises(DownloadError, match=rf"404.*put {style.file_name} into") as no:
        obtain(style)
    assert SOURCE in str(no.value)
    assert [name for name in left(style) if not name.startswith(".")] == []


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_through_npm(packages, registry, monkeypatch, tmp_path):
    folder, styles = packages
    address, server = registry
    monkeypatch.delenv(SOURCE, raising=False)
    monkeypatch.setenv("npm_config_registry", f"{address}/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    path = obtain(styles[0])
    assert path.read_bytes() == (folder / styles[0].file_name).read_bytes()
    assert server.asked[-1] == "/@tiny/plain/-/plain-1.0.0.tgz"
    assert left(styles[0]) == [styles[0].file_name]
    missing = replace(styles[0], package="@tiny/missing")
    with pytest.raises(DownloadError, match=r"npm pack @tiny/missing@1.0.0 failed"):
        obtain(missing)
    assert left(styles[0]) == [styles[0].file_name]
