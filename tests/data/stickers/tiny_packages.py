"""Small packages of pictures, in the very forms of the real ones, drawn by us."""

import base64
import hashlib
import io
import json
import tarfile

import numpy as np
from PIL import Image

from vild.data.stickers.catalogue import concepts
from vild.data.stickers.styles import Style

SHAPES = (
    '<circle cx="16" cy="16" r="13" fill="{}"/>',
    '<path d="M3 29L16 3l13 26z" fill="{}"/>',
    '<rect x="3" y="8" width="26" height="16" fill="{}"/>',
    '<g fill="{}"><path d="M12 2h8v28h-8z"/><path d="M2 12h28v8H2z"/></g>',
)


def drawn(every=7):
    """Some pictures of all parts, each with a body of its own."""
    pictures = [p for concept in concepts() for p in concept.pictures][::every]
    for number, picture in enumerate(pictures):
        colour = f"#{(number * 0x3A7F1B + 0x10C0A0) % 0xFFFFFF:06x}"
        yield picture, SHAPES[number % len(SHAPES)].format(colour)


def pack(path, files):
    """A package file, as npm packs them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def photos(every=5):
    """Some photos of base and novel concepts: what a stamp of Tux Paint is called."""
    return [p.code for concept in concepts() for p in concept.photos][::every]


def stamps():
    """What is installed: pictures of many sizes, with texts and other files."""
    folder = "./usr/share/tuxpaint/stamps"
    files = {"./usr/share/doc/copyright": b"ours", f"{folder}/other.png": b"nothing"}
    for number, code in enumerate(photos()):
        buffer = io.BytesIO()
        colour = (40, number * 16 % 256, 90, 255)
        Image.new("RGBA", (300 - 4 * number, 120), colour).save(buffer, "PNG")
        files[f"{folder}/{code}.png"] = buffer.getvalue()
        files[f"{folder}/{code}.txt"] = b"A thing."
    return files


def pack_debian(path, files):
    """A package file, as Debian packs them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    members = {"debian-binary": b"2.0\n"}
    for name, inside in ("control.tar.xz", {"./control": b"!"}), ("data.tar.xz", files):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
            for file, data in inside.items():
                entry = tarfile.TarInfo(file)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        members[name] = buffer.getvalue()
    with path.open("wb") as package:
        package.write(b"!<arch>\n")
        for name, data in members.items():
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
            package.write(header.encode() + data + b"\n" * (len(data) % 2))
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def iconify(other_names=False, extra=None):
    """What an icon set of iconify holds."""
    icons = {
        (p.other_name if other_names else p.name): {"body": body}
        for p, body in drawn()
        if p.other_name or not other_names
    }
    codes = {} if other_names else {p.code: p.name for p, _ in drawn()}
    whole = {"prefix": "tiny", "icons": icons, "width": 32, "height": 32}
    return {
        "package.json": b"{}",
        "icons.json": json.dumps(whole | (extra or {})).encode(),
        "chars.json": json.dumps(codes).encode(),
    }


def webp():
    """A picture file for each code point, some of them padded."""
    files = {"package.json": b"{}"}
    for number, (picture, _) in enumerate(drawn()):
        pixels = np.zeros((64, 64, 4), np.uint8)
        pixels[8:-8, 20:-20] = (number % 256, 90, 200, 255)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "WEBP", lossless=True)
        first, *rest = picture.code.split("-")
        code = "-".join([first.zfill(4), *rest, *["fe0f"] * (number % 2)])
        files[f"assets/{code}.webp"] = buffer.getvalue()
    return files


def make_style(folder, name, part, files, form="iconify", other_names=False):
    """Packs a style and says where and what it is."""
    style = Style(
        name,
        part,
        f"@tiny/{name}" if form != "stamps" else f"tiny-{name}",
        "1.0.0",
        "",
        "CC0-1.0",
        "the developers",
        "https://example.org",
        form,
        other_names,
    )
    packing = pack_debian if form == "stamps" else pack
    digest = packing(folder / style.file_name, files)
    return Style(**{**style.__dict__, "sha512": digest})


def make_styles(folder):
    """A style of each part and form, and one more of training."""
    return (
        make_style(folder, "plain", "train", iconify()),
        make_style(folder, "named", "val", iconify(True), other_names=True),
        make_style(folder, "painted", "test", webp(), "webp"),
        make_style(folder, "inked", "train", iconify()),
        make_style(folder, "shot", "photos", stamps(), "stamps"),
    )
