"""Fetching the packages that hold the pictures: once, checked, into the cache.

Where from, in this order: what the environment variable `VILD_STICKERS_SOURCE` names,
a folder of package files or the address of a registry; else the `npm` command, with
its own configuration, if there is one; else the registry that npm is configured for,
over http(s). Photos are a package of Debian: from that folder, else by `apt-get`.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from vild.checkpoints.cache import cache_dir
from vild.checkpoints.download import fetch
from vild.data.stickers.styles import Style
from vild.errors import DownloadError
from vild.files import replacing

SOURCE = "VILD_STICKERS_SOURCE"

_LONGEST = 1800  # seconds that npm may take for a package


def package_path(style: Style) -> Path:
    """Where a style's package is kept.

    Args:
        style: any.

    Returns:
        The file; it need not exist yet.
    """
    return cache_dir() / "stickers" / "packages" / style.file_name


def obtain(style: Style) -> Path:
    """Fetches a style's package unless it is in the cache.

    Args:
        style: any.

    Returns:
        The file, whose digest is the style's.

    Raises:
        DownloadError: if it cannot be had, or is not the one that is expected; then
            nothing is left of it.
    """
    path = package_path(style)
    if path.is_file() and _sha512(path) == style.sha512:
        return path
    # A download that is cut off goes on from here.
    unchecked = path.with_name(f"{path.name}.unchecked")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        origin = _fetch(style, unchecked)
        found = _sha512(unchecked)
        if found != style.sha512:
            unchecked.unlink()
            raise DownloadError(
                f"{origin} is not the package that was expected: its SHA-512 is "
                f"{found[:16]}..., not {style.sha512[:16]}...; it was deleted. Fetch "
                f"{style.package} {style.version} from a source you trust."
            )
        unchecked.replace(path)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be written ({error.strerror or error}): name a folder "
            "that can, by the environment variable VILD_CACHE."
        ) from error
    return path


def _fetch(style: Style, destination: Path) -> str:
    """Puts a package, not checked yet, to its place; says where it is from."""
    source = os.environ.get(SOURCE, "")
    if source and "://" not in source:
        return _copy(style, Path(source).expanduser(), destination)
    if style.form == "stamps":
        return _apt_download(style, destination)
    npm = None if source else shutil.which("npm")
    if npm is not None:
        return _npm_pack(npm, style, destination)
    address = _address(style, source or _registry(style))
    try:
        fetch(address, destination)
    except DownloadError as error:
        raise DownloadError(f"{error} {_instead(style)}") from error
    return address


def _copy(style: Style, folder: Path, destination: Path) -> str:
    found = folder / style.file_name
    if not found.is_file():
        raise DownloadError(
            f"{SOURCE} names the folder {str(folder)!r}, which has no "
            f"{style.file_name!r}: put it there ({_made_by(style)} makes it)."
        )
    try:
        source = found.open("rb")
    except OSError as error:
        raise DownloadError(
            f"{found} cannot be read ({error.strerror or error}): let this user read "
            "it."
        ) from error
    with source, replacing(destination) as temporary, temporary.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return str(found)


def _npm_pack(npm: str, style: Style, destination: Path) -> str:
    wanted = f"{style.package}@{style.version}"
    command = [npm, "pack", wanted, "--ignore-scripts", "--loglevel=error"]
    return _made_here(command, style, destination)


def _apt_download(style: Style, destination: Path) -> str:
    apt = shutil.which("apt-get")
    if apt is None:
        raise DownloadError(
            f"{style.package} is a package of Debian, which apt-get fetches, and that "
            f"is not installed. {_instead(style)}"
        )
    command = [apt, "download", f"{style.package}={style.version}"]
    return _made_here(command, style, destination)


def _made_here(command: list[str], style: Style, destination: Path) -> str:
    """Runs a program that puts a package's file into its working folder."""
    program, name = Path(command[0]).stem, " ".join(command[1:3])
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DownloadError(
                f"{program} {name} did not work ({error}). {_instead(style)}"
            ) from error
        packed = [*Path(folder).glob("*" + Path(style.file_name).suffix)]
        if done.returncode or len(packed) != 1:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            # npm's last lines only say where its log is.
            told = [line for line in said if "log of this run" not in line]
            why = " ".join(line.removeprefix("npm error ") for line in told[:3])
            raise DownloadError(
                f"{program} {name} failed ({why or f'code {done.returncode}'}): check "
                f"the network and {program}'s configuration. {_instead(style)}"
            )
        shutil.move(packed[0], destination)
    return command[2]


def _made_by(style: Style) -> str:
    if style.form == "stamps":
        return f"apt-get download {style.package}={style.version}"
    return f"npm pack {style.package}@{style.version}"


def _instead(style: Style) -> str:
    kept = ", of Debian's archive," if style.form == "stamps" else ""
    return (
        f"Or put {style.file_name}{kept} into a folder and name that by the "
        f"environment variable {SOURCE}."
    )


def _registry(style: Style) -> str:
    """The registry that npm is configured for, though it is not installed."""
    for name, value in os.environ.items():
        if name.lower() == "npm_config_registry" and value:
            return value
    settings = Path.home() / ".npmrc"
    if settings.is_file():
        try:
            text = settings.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise DownloadError(
                f"{settings} cannot be read ({error.strerror or error}): it may name "
                f"npm's registry; name one by {SOURCE} instead."
            ) from error
        found = re.search(r"^\s*registry\s*=\s*(\S+)", text, re.MULTILINE)
        if found:
            return found[1]
    raise DownloadError(
        f"{style.package} comes from a registry of npm packages, and npm is neither "
        f"installed nor configured: install npm, or name a registry by {SOURCE}. "
        f"{_instead(style)}"
    )


def _address(style: Style, registry: str) -> str:
    stem = style.package.rpartition("/")[2]
    return f"{registry.rstrip('/')}/{style.package}/-/{stem}-{style.version}.tgz"


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
