import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vild.data.images import load_image
from vild.errors import InputError

pytestmark = pytest.mark.numpy


@pytest.fixture
def photo() -> np.ndarray:
    rows, columns = np.mgrid[:30, :40]
    return np.stack([rows * 8, columns * 6, rows + columns], axis=-1).astype(np.uint8)


def test_array_passes_through(photo: np.ndarray) -> None:
    assert load_image(photo) is photo


def test_path_string_and_pil_give_the_same(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    for image in (path, str(path), Image.open(path), Image.fromarray(photo)):
        loaded = load_image(image)
        assert loaded.dtype == np.uint8
        np.testing.assert_array_equal(loaded, photo)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "dot.png")
    assert load_image(tmp_path / "dot.png").tolist() == [[[9, 8, 7]]]


@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
def test_exif_orientation_is_applied(
    tmp_path: Path, photo: np.ndarray, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    path = tmp_path / f"turned.{kind}"
    options = {"quality": 100} if kind == "jpg" else {}
    Image.fromarray(photo).save(path, exif=exif, **options)
    expected = np.rot90(photo, -1).astype(int)
    for image in (path, Image.open(path)):
        loaded = load_image(image)
        assert loaded.shape == (40, 30, 3)
        assert np.abs(loaded - expected).mean() < 4


def test_pil_image_is_not_changed(photo: np.ndarray) -> None:
    image = Image.fromarray(photo).convert("RGBA")
    before = image.copy()
    load_image(image)[:] = 0
    assert image.mode == "RGBA"
    assert image.tobytes() == before.tobytes()


def grey16(value: int) -> Image.Image:
    return Image.fromarray(np.full((2, 3), value, np.uint16))


def palette_with_hole() -> Image.Image:
    image = Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (3, 2), 77), (77, 77, 77)),
        (Image.new("1", (3, 2), 1), (255, 255, 255)),
        (Image.new("RGB", (3, 2), (1, 2, 3)).convert("P"), None),
        (Image.new("CMYK", (3, 2), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("RGBA", (3, 2), (200, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (3, 2), (200, 0, 0, 255)), (200, 0, 0)),
        (Image.new("LA", (3, 2), (0, 51)), (204, 204, 204)),
        (palette_with_hole(), (255, 255, 255)),
        (grey16(65535), (255, 255, 255)),
        (grey16(0x8001), (128, 128, 128)),
        (Image.new("I", (3, 2), 0x8001), (128, 128, 128)),
    ],
    ids=[
        "L",
        "1",
        "P",
        "CMYK",
        "clear",
        "RGBA",
        "LA",
        "holed",
        "16white",
        "16grey",
        "I",
    ],
)
def test_modes(image: Image.Image, expected: tuple[int, int, int] | None) -> None:
    loaded = load_image(image)
    assert loaded.shape == (2, 3, 3)
    assert loaded.dtype == np.uint8
    if expected is None:
        expected = image.convert("RGB").getpixel((0, 0))
    assert (loaded == expected).all(), loaded[0, 0]


def test_16_bit_png_file(tmp_path: Path) -> None:
    grey16(0xFF00).save(tmp_path / "deep.png")
    assert (load_image(tmp_path / "deep.png") == 255).all()


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (load_image(tmp_path / "a.gif") == (255, 0, 0)).all()


@pytest.mark.parametrize(
    "image",
    [Image.new("F", (3, 2)), Image.new("I", (3, 2), 70000), Image.new("I", (3, 2), -1)],
    ids=["float", "32 bit", "negative"],
)
def test_unscaled_modes_are_refused(image: Image.Image) -> None:
    with pytest.raises(InputError, match=r"scale it to \[0, 255\]"):
        load_image(image)


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.full((4, 5, 3), 0.5, np.float32), r"image \* 255"),
        (np.full((4, 5, 3), 90.0), r"clip\(0, 255\)"),
        (np.full((4, 5, 3), np.nan), "uint8"),
        (np.zeros((4, 5, 3), np.uint16), "image >> 8"),
        (np.zeros((4, 5, 3), np.int64), r"clip\(0, 255\)"),
        (np.zeros((4, 5, 3), bool), r"\* 255"),
        (np.zeros((4, 5), np.uint8), "numpy.stack"),
        (np.zeros((4, 5, 1), np.uint8), "repeat"),
        (np.zeros((3, 4, 5), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((4, 5, 4), np.uint8), r"image\[\.\.\., :3\]"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"image\[0\]"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((7,), np.uint8), "height x width x 3"),
        (np.zeros((3, 4, 5), np.float32), r"transpose\(1, 2, 0\), and scale"),
    ],
)
@pytest.mark.filterwarnings("ignore:All-NaN")
def test_arrays_that_are_no_pictures(array: np.ndarray, advice: str) -> None:
    with pytest.raises(InputError, match=advice) as caught:
        load_image(array)
    message = str(caught.value)
    assert "(H, W, 3)" in message
    assert str(array.shape) in message
    assert str(array.dtype) in message
    assert "\n" not in message


@pytest.mark.parametrize("image", [None, 3, [[1, 2], [3, 4]], b"photo.jpg"])
def test_other_kinds_are_refused(image: object) -> None:
    with pytest.raises(InputError, match=type(image).__name__):
        load_image(image)  # type: ignore[arg-type]


def make_missing(path: Path) -> None:
    pass


def make_folder(path: Path) -> None:
    path.mkdir()


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_text(path: Path) -> None:
    path.write_text("not a picture at all")


def make_cut_short(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:900])


def make_cut_short_png(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:900])


def make_header_only(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_missing, "does not exist"),
        (make_folder, "folder"),
        (make_empty, "empty"),
        (make_text, "not a picture"),
        (make_cut_short, "damaged or cut short"),
        (make_cut_short_png, "damaged or cut short"),
        (make_header_only, "not a picture|damaged"),
    ],
)
def test_unusable_files_are_named(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "broken.jpg"
    make(path)
    with pytest.raises(InputError, match=reason) as caught:
        load_image(path)
    assert str(path) in str(caught.value)


def test_null_in_the_name() -> None:
    with pytest.raises(InputError, match=r"a\.jpg"):
        load_image("a.jpg\0")


@pytest.mark.parametrize("limit", [1000, 400], ids=["warning as error", "error"])
def test_decompression_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    path = tmp_path / "huge.png"
    Image.new("L", (40, 40)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="safety limit") as caught:
            load_image(path)
    assert str(path) in str(caught.value)
