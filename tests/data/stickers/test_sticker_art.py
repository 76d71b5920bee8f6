"""Pictures out of packages, and the packed file they are kept in."""

import base64
import hashlib
import json
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from tiny_packages import drawn, iconify, make_style, photos, stamps

from vild.data.stickers import icons
from vild.data.stickers.art import SIDE, Art, art_path, make_art, open_art
from vild.data.stickers.icons import draw_icon
from vild.data.stickers.packages import SOURCE
from vild.errors import DataError, InputError

pytestmark = pytest.mark.numpy

SQUARE = {"body": '<path d="M0 0h8v4h-8z" fill="#00f"/>', "width": 16, "height": 8}


@pytest.fixture
def resvg():
    pytest.importorskip("resvg_py", reason="resvg_py draws the pictures")


@pytest.mark.usefixtures("resvg")
def test_an_icon_is_drawn_in_the_middle_as_large_as_fits():
    pixels = draw_icon({}, SQUARE, 64)
    assert pixels.shape == (64, 64, 4)
    assert pixels.dtype == np.uint8
    blue = (pixels == [0, 0, 255, 255]).all(axis=2)
    assert blue[16:32, :32].all()
    assert blue.sum() == 16 * 32


@pytest.mark.parametrize(
    ("turn", "rows", "columns"),
    [
        ({"hFlip": True}, slice(16, 32), slice(32, 64)),
        ({"vFlip": True}, slice(32, 48), slice(0, 32)),
        ({"rotate": 1}, slice(0, 32), slice(32, 48)),
        ({"rotate": 2}, slice(32, 48), slice(32, 64)),
    ],
)
@pytest.mark.usefixtures("resvg")
def test_aliases_may_be_turned(turn, rows, columns):
    seen = draw_icon({}, SQUARE | turn, 64)[..., 3] > 0
    assert seen[rows, columns].all()
    assert seen.sum() == 16 * 32


def test_every_form_gives_its_pictures(made):
    codes = {p.code for p, _ in drawn()}
    named = {p.code for p, _ in drawn() if p.other_name}
    found = {style.name: set(open_art(style).codes) for style in made}
    drawn_alike = {"plain": codes, "painted": codes, "inked": codes}
    assert found == {**drawn_alike, "named": named, "shot": set(photos())}
    art = open_art(made[0])
    for code in art.codes[:5]:
        picture = art.picture(code)
        assert max(picture.shape[:2]) <= SIDE
        alpha = picture[..., 3] > 0
        for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
            assert edge.any(), "cut to what is not transparent"
    # 64 pixels wide, 20 of them empty on either side.
    painted = open_art(made[2])
    assert painted.picture(painted.codes[0]).shape == (48, 24, 4)
    assert painted.codes[0] in painted
    assert "nothing" not in painted
    # 300 x 120 pixels, made as small as all others are.
    shot = open_art(made[4])
    assert shot.picture(photos()[0]).shape == (64, SIDE, 4)


@pytest.mark.usefixtures("resvg")
def test_an_alias_of_an_alias(tmp_path, monkeypatch):
    picture, _ = next(iter(drawn()))
    body = {"body": '<path d="M0 0h16v32h-16z" fill="red"/>'}
    aliases = {
        picture.name: {"parent": "other", "hFlip": True},
        "other": {"parent": "third"},
        "third": {"parent": "real"},
    }
    extra = {"icons": {"real": body}, "aliases": aliases}
    style = make_style(tmp_path, "aliased", "train", iconify(extra=extra))
    monkeypatch.setenv(SOURCE, str(tmp_path))
    art = Art(make_art(style))
    assert art.codes == (picture.code,)
    assert art.picture(picture.code).shape == (SIDE, SIDE // 2, 4)


@pytest.mark.usefixtures("resvg")
def test_what_a_style_draws_wrongly_is_not_used(packages, monkeypatch):
    folder, styles = packages
    monkeypatch.setenv(SOURCE, str(folder))
    for style in styles:
        whole = Art(make_art(style))
        wrong = replace(style, wrong=frozenset(whole.codes[:2]))
        some = Art(make_art(wrong))
        assert some.codes == whole.codes[2:]
        assert some.digest != whole.digest


def test_the_digest_is_of_pixels_however_they_are_packed(styles, monkeypatch, tmp_path):
    usual = Art(make_art(styles[2]))
    real = zlib.compress
    monkeypatch.setattr(
        "vild.data.stickers.art.zlib.compress", lambda data, _: real(data, 1)
    )
    monkeypatch.setenv("VILD_CACHE", str(tmp_path))
    other = Art(make_art(styles[2]))
    assert other.path.read_bytes() != usual.path.read_bytes()
    assert other.digest == usual.digest


def test_what_is_not_made_yet_says_how(styles):
    with pytest.raises(DataError, match=r"command: vild data stickers$"):
        open_art(styles[0])
    with pytest.raises(DataError, match=r"vild data stickers --splits test-photos$"):
        open_art(styles[4])


@pytest.mark.parametrize(
    "how", ["not Debian's", "no files", "a size below 0", "cut", "other bytes"]
)
def test_a_damaged_package_of_debian(how, tmp_path, monkeypatch):
    style = make_style(tmp_path, "shot", "photos", stamps(), "stamps")
    path = tmp_path / style.file_name
    whole = path.read_bytes()
    start = whole.index(b"data.tar.xz")
    data = {
        "not Debian's": b"!<other>\n" + whole,
        "no files": whole[:start],
        "a size below 0": whole.replace(b"4         `", b"-60       `", 1),
        "cut": whole[:-100],
        "other bytes": whole[: start + 400] + b"?" * 40 + whole[start + 440 :],
    }[how]
    path.write_bytes(data)
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    monkeypatch.setenv(SOURCE, str(tmp_path))
    style = replace(style, sha512=digest)
    with pytest.raises(DataError, match="is not a package of pictures"):
        make_art(style)
    assert not [p for p in art_path(style).parent.iterdir() if p.is_file()]


def damaged(how):
    files = iconify()
    if how == "no json":
        del files["icons.json"]
    elif how == "cut json":
        files["icons.json"] = files["icons.json"][:-40]
    elif how == "another form":
        files["icons.json"] = b'{"icons": [1, 2]}'
    else:  # the last picture of many
        whole = json.loads(files["icons.json"])
        name = [*whole["icons"]][-1]
        whole["icons"][name] = {"body": "<path d=></g>"}
        files["icons.json"] = json.dumps(whole).encode()
    return files


@pytest.mark.parametrize("how", ["no json", "cut json", "another form", "picture"])
@pytest.mark.usefixtures("resvg")
def test_nothing_is_left_of_a_damaged_package(how, tmp_path, monkeypatch):
    style = make_style(tmp_path, "damaged", "train", damaged(how))
    monkeypatch.setenv(SOURCE, str(tmp_path))
    with pytest.raises(DataError, match="is not a package of pictures"):
        make_art(style)
    path = art_path(style)
    assert not [p for p in path.parent.iterdir() if p.is_file()]


def test_nothing_is_left_of_a_drawing_that_was_cut_off(styles, monkeypatch):
    real = icons.read_pictures

    def interrupted(*arguments):
        for number, one in enumerate(real(*arguments)):
            if number == 5:
                raise KeyboardInterrupt
            yield one

    with monkeypatch.context() as patch:
        patch.setattr("vild.data.stickers.art.read_pictures", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_art(styles[0])
    path = art_path(styles[0])
    assert not [p for p in path.parent.iterdir() if p.is_file()]
    assert len(Art(make_art(styles[0]))) == len([*drawn()])


def test_without_what_draws_svg(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(InputError, match=r"pip install 'vild\[stickers\]'"):
        draw_icon({}, SQUARE, 64)


def test_a_package_without_any_of_the_pictures(tmp_path, monkeypatch):
    files = iconify(extra={"icons": {"nothing-known": SQUARE}})
    style = make_style(tmp_path, "other", "train", files)
    monkeypatch.setenv(SOURCE, str(tmp_path))
    with pytest.raises(DataError, match="none of the pictures"):
        make_art(style)


def test_a_damaged_packed_file(made, tmp_path):
    path = tmp_path / "cut.npz"
    path.write_bytes(art_path(made[0]).read_bytes()[:-100])
    with pytest.raises(DataError, match="delete the file and run: vild data stickers"):
        Art(path)
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match="cannot be read"):
        Art(path)
