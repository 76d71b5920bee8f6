"""The pictures inside of a package: SVG texts, or encoded pixels."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vild.data.stickers.catalogue import Drawn
from vild.data.stickers.debian import open_package
from vild.data.stickers.styles import Style
from vild.errors import DataError, InputError, VildError

# What reading json of another form, a cut file or a damaged picture ends in.
_OTHER_FORMS = (AttributeError, EOFError, LookupError, OSError, TypeError, ValueError)
_LONGEST_CHAIN = 8  # aliases of aliases
_STAMPS = "usr/share/tuxpaint/stamps/"  # where Debian's package has them


def read_pictures(
    style: Style, package: Path, wanted: Iterable[Drawn], side: int
) -> Iterator[tuple[Drawn, np.ndarray]]:
    """Rasterises what a package has of some pictures.

    Args:
        style: whose package it is.
        package: its file.
        wanted: which pictures; those that the style lacks are passed over.
        side: of the square that a picture is drawn into, in pixels.

    Yields:
        A picture and its (side, side, 4) uint8 RGBA.

    Raises:
        DataError: if the package is damaged or of another form.
        InputError: if what draws SVG is not installed.
    """
    try:
        opened, read = _FORMS[style.form]
        with opened(package) as archive:
            yield from read(style, archive, wanted, side)
    except VildError:
        raise
    except (tarfile.TarError, *_OTHER_FORMS) as error:
        raise DataError(
            f"{str(package)!r} is not a package of pictures of the expected form "
            f"({type(error).__name__}: {error}): delete it and fetch it again."
        ) from error


def _iconify(
    style: Style, archive: tarfile.TarFile, wanted: Iterable[Drawn], side: int
) -> Iterator[tuple[Drawn, np.ndarray]]:
    icons = json.loads(_member(archive, "package/icons.json"))
    codes: dict[str, str] = {}
    if "package/chars.json" in archive.getnames():
        codes = json.loads(_member(archive, "package/chars.json"))
    for picture in wanted:
        own = picture.other_name if style.other_names else picture.name
        found = _resolve(icons, codes.get(picture.code, own))
        if found is None:
            found = _resolve(icons, own)
        if found is not None:
            yield picture, draw_icon(icons, found, side)


def _resolve(icons: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """An icon by its name or an alias, which may turn it."""
    turned: dict[str, Any] = {"hFlip": False, "vFlip": False, "rotate": 0}
    for _ in range(_LONGEST_CHAIN):
        entry = icons["icons"].get(name) or icons.get("aliases", {}).get(name)
        if not entry:
            return None
        turned["hFlip"] ^= bool(entry.get("hFlip"))
        turned["vFlip"] ^= bool(entry.get("vFlip"))
        turned["rotate"] = (turned["rotate"] + entry.get("rotate", 0)) % 4
        if "body" in entry:
            return {**entry, **turned}
        name = entry["parent"]
    return None


def draw_icon(icons: Mapping[str, Any], icon: Mapping[str, Any], side: int) -> Any:
    """Rasterises an icon.

    Args:
        icons: the set, which says the size of all icons that do not say it.
        icon: its body, size and turns.
        side: of the square in pixels; the icon is as large as fits, in its middle.

    Returns:
        (side, side, 4) uint8 RGBA.

    Raises:
        InputError: if resvg is not installed.
    """
    left, top = (icon.get(key, icons.get(key, 0)) for key in ("left", "top"))
    width, height = (icon.get(k, icons.get(k, 16)) for k in ("width", "height"))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{side}" height="{side}">'
        f"{icon['body']}</svg>"
    )
    png = _resvg()(svg_string=svg, skip_system_fonts=True, width=side, height=side)
    pixels = _square(bytes(png), side)
    if icon.get("hFlip"):
        pixels = pixels[:, ::-1]
    if icon.get("vFlip"):
        pixels = pixels[::-1]
    return np.ascontiguousarray(np.rot90(pixels, -icon.get("rotate", 0)))


def _resvg() -> Any:
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise InputError(
            "Drawing the stickers needs the package resvg_py: pip install "
            "'vild[stickers]'."
        ) from error
    return svg_to_bytes


def _webp(
    style: Style, archive: tarfile.TarFile, wanted: Iterable[Drawn], side: int
) -> Iterator[tuple[Drawn, np.ndarray]]:
    by_code = {picture.code: picture for picture in wanted}
    found = False
    for member in archive:
        path = Path(member.name)
        if path.suffix != ".webp":
            continue
        found = True
        # The file's code points are padded, and may ask for a coloured picture.
        code = path.stem.lower().lstrip("0").replace("-fe0f", "")
        stream = archive.extractfile(member) if code in by_code else None
        if stream is not None:
            yield by_code.pop(code), _square(stream.read(), side)
    if not found:
        raise ValueError("it has no .webp files")


def _stamps(
    style: Style, archive: tarfile.TarFile, wanted: Iterable[Drawn], side: int
) -> Iterator[tuple[Drawn, np.ndarray]]:
    by_path = {f"{_STAMPS}{picture.code}.png": picture for picture in wanted}
    for member in archive:
        picture = by_path.get(member.name.removeprefix("./"))
        stream = None if picture is None else archive.extractfile(member)
        if picture is not None and stream is not None:
            yield picture, _square(stream.read(), side)


def _square(encoded: bytes, side: int) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as opened:
        image = opened.convert("RGBA")
    if image.size != (side, side):
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        square = Image.new("RGBA", (side, side))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = square
    return np.asarray(image)


_FORMS: dict[str, tuple[Callable[[Path], Any], Callable[..., Any]]] = {
    "iconify": (tarfile.open, _iconify),
    "webp": (tarfile.open, _webp),
    "stamps": (open_package, _stamps),
}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(name)
    return stream.read()
