from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vild.data.preprocessing import (
    canonical_size,
    padded_size,
    place,
    preprocess,
    resize_crop_pad,
    resize_legacy,
)
from vild.errors import InputError

pytestmark = pytest.mark.numpy


@pytest.mark.parametrize("case", range(6))
def test_released_preprocessing(reference: Path, case: int) -> None:
    golden = np.load(reference / "stage_preprocess.npz")
    pixels, info = preprocess(golden[f"image_{case}"], golden[f"desired_{case}"])
    assert pixels.dtype == info.dtype == np.float32
    np.testing.assert_allclose(pixels, golden[f"output_{case}"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(info, golden[f"info_{case}"])


@pytest.mark.parametrize("case", range(6))
def test_released_training_geometry(reference: Path, case: int) -> None:
    golden = np.load(reference / "train_geometry.npz")
    numbers = golden["cases"][case]
    height, width, *size = (int(n) for n in numbers[:4])
    scaled, offset = place((height, width), tuple(size), numbers[4], tuple(numbers[5:]))
    pixels, info = resize_crop_pad(
        golden[f"image_{case}"], scaled, tuple(size), offset, mean=[0] * 3, std=[1] * 3
    )
    np.testing.assert_allclose(
        pixels[..., :1], golden[f"output_{case}"], rtol=0, atol=1e-6
    )
    np.testing.assert_array_equal(info, golden[f"info_{case}"])


sides = st.integers(1, 60)


@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1))
def test_resize_is_the_legacy_formula(
    height: int, width: int, to_height: int, to_width: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 2), np.uint8)
    y = np.arange(to_height) * (height / to_height)
    x = np.arange(to_width) * (width / to_width)
    # Between pixels the picture is continuous, so float64 positions may be used.
    y, x = y.clip(0, height - 1), x.clip(0, width - 1)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    y1, x1 = np.minimum(y0 + 1, height - 1), np.minimum(x0 + 1, width - 1)
    v, u = (y - y0)[:, None, None], (x - x0)[None, :, None]
    values = image.astype(np.float64)
    expected = (
        values[y0][:, x0] * (1 - v) * (1 - u)
        + values[y0][:, x1] * (1 - v) * u
        + values[y1][:, x0] * v * (1 - u)
        + values[y1][:, x1] * v * u
    )
    resized = resize_legacy(image, (to_height, to_width))
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected, rtol=0, atol=5e-3)


def test_resize_takes_floats_and_any_channels() -> None:
    image = np.random.default_rng(0).normal(size=(9, 7, 5)).astype(np.float32)
    np.testing.assert_array_equal(resize_legacy(image, (9, 7)), image)
    assert resize_legacy(image[..., :1], (3, 20)).shape == (3, 20, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(40, 400),
    st.floats(1 / 8, 8),
    st.integers(64, 300),
    st.integers(64, 300),
    st.data(),
)
def test_a_marker_lands_at_its_box_times_the_scale(
    side: int, aspect: float, height: int, width: int, data: st.DataObject
) -> None:
    h, w = max(round(side / aspect**0.5), 8), max(round(side * aspect**0.5), 8)
    y1 = data.draw(st.integers(0, h - 4))
    x1 = data.draw(st.integers(0, w - 4))
    y2 = data.draw(st.integers(y1 + 4, h))
    x2 = data.draw(st.integers(x1 + 4, w))
    photo = np.zeros((h, w, 3), np.uint8)
    photo[y1:y2, x1:x2] = 255
    pixels, info = preprocess(photo, (height, width), mean=[0] * 3, std=[1] * 3)

    bright = pixels[..., 0] > 0.5
    if not bright.any():  # shrunk so much that the grid steps over the marker
        assert min((y2 - y1) * info[2, 0], (x2 - x1) * info[2, 1]) < 2
        return
    # The legacy grid has no half-pixel centre: pixel i of the photo shines around
    # i * scale, so marker and box agree to half a source pixel and half a target one.
    for edge, (start, stop) in enumerate([(y1, y2), (x1, x2)]):
        found = np.flatnonzero(bright.any(axis=1 - edge))
        scale = float(info[2, edge])
        slack = 0.5 * scale + 1
        assert abs(found[0] - start * scale) <= slack
        end = min(stop * scale, float(np.rint(np.float32([h, w][edge]) * scale)))
        assert abs(found[-1] + 1 - end) <= slack


def test_padding_is_zero_and_photo_is_kept_whole() -> None:
    photo = np.full((30, 90, 3), 255, np.uint8)
    pixels, info = preprocess(photo, (100, 100))
    assert pixels.shape == (128, 128, 3)
    np.testing.assert_array_equal(info[1], [100, 100])
    np.testing.assert_array_equal(info[4], [128, 128])
    assert (pixels[:33, :100] > 2).all()
    assert not pixels[33:].any()
    assert not pixels[:, 100:].any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (4000, 2, 3)])
def test_extreme_photos(shape: tuple[int, int, int]) -> None:
    pixels, info = preprocess(np.full(shape, 128, np.uint8), 128)
    assert pixels.shape == (128, 128, 3)
    assert np.isfinite(pixels).all()
    assert (info[2] > 0).all()


def test_views_of_a_larger_array() -> None:
    bgr = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    flipped = bgr[::-1, :, ::-1]
    np.testing.assert_array_equal(
        preprocess(flipped, 64)[0], preprocess(flipped.copy(), 64)[0]
    )


def test_preprocess_refuses_floats() -> None:
    with pytest.raises(InputError, match="uint8"):
        preprocess(np.zeros((4, 4, 3), np.float32), 64)


@pytest.mark.parametrize(
    ("given_size", "expected"),
    [
        (640, (640, 640)),
        ((480, 640), (480, 640)),
        ([480, 640], (480, 640)),
        (np.int64(32), (32, 32)),
        (np.array([3, 4]), (3, 4)),
    ],
)
def test_canonical_size(given_size: object, expected: tuple[int, int]) -> None:
    assert canonical_size(given_size) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "size",
    [0, -5, 6.5, "640", True, (1, 2, 3), (640,), (0, 5), (5, -1), None, (1, "a")],
)
def test_sizes_that_are_none(size: object) -> None:
    with pytest.raises(InputError, match="image_size"):
        canonical_size(size)  # type: ignore[arg-type]


def test_padded_size() -> None:
    assert padded_size((64, 65)) == (64, 128)
    assert padded_size((200, 300), 32) == (224, 320)
    with pytest.raises(InputError, match="multiple"):
        padded_size((64, 64), 0)
