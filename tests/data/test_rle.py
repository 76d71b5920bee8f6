import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from vild.data.rle import PackedMasks, covered, decode_rle, encode_rle
from vild.errors import InputError

pytestmark = pytest.mark.numpy

masks = arrays.arrays(
    bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)
)


@settings(max_examples=300)
@given(masks)
def test_rle_equals_pycocotools(mask: np.ndarray) -> None:
    packed = encode_rle(mask)
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert packed == {
        "size": list(mask.shape),
        "counts": expected["counts"].decode("ascii"),
    }
    np.testing.assert_array_equal(decode_rle(packed), mask)


@pytest.mark.parametrize("full", [False, True])
def test_rle_of_long_runs(full: bool) -> None:
    mask = np.zeros((1500, 2500), bool)
    mask[:, 700:2200] = True
    mask[300, 5] = True
    mask ^= full
    packed = encode_rle(mask)
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert packed["counts"].encode("ascii") == expected["counts"]
    np.testing.assert_array_equal(decode_rle(packed), mask)


def test_decoding_plain_counts_and_bytes() -> None:
    mask = np.array([[0, 1, 1], [0, 0, 1]], bool)
    plain = {"size": [2, 3], "counts": [2, 1, 1, 2]}
    np.testing.assert_array_equal(decode_rle(plain), mask)
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(decode_rle(packed), mask)


@pytest.mark.parametrize(
    "rle",
    [
        {},
        {"size": [2, 2]},
        {"size": [2, 2], "counts": "2"},
        {"size": [2, 2], "counts": "~~"},
        {"size": [2, 2], "counts": "22P"},
        {"size": [2, 2], "counts": "oooooooooo0"},
        {"size": [2, 2], "counts": ""},
        {"size": [2, 2], "counts": [5, -1]},
        {"size": [2, 2], "counts": "é"},
        {"size": 3, "counts": "22"},
    ],
)
def test_damaged_rle(rle: dict) -> None:
    with pytest.raises(InputError, match="run-length"):
        decode_rle(rle)


@given(st.lists(st.text(st.characters(min_codepoint=45, max_codepoint=113))))
def test_what_many_runs_cover_is_what_each_covers(packed: list[str]) -> None:
    short = [counts[:8] for counts in packed]
    masks = [encode_rle(np.arange(6 * n).reshape(6, n) % 4 > 1) for n in range(1, 50)]
    several = [mask["counts"] for mask in masks]
    mixed = [*several, *short, *several]
    told = covered(mixed)
    assert told[: len(several)].tolist() == [6 * n for n in range(1, 50)]
    for one, number in zip(short, told[len(several) :].tolist(), strict=False):
        assert covered([one]).tolist() == [number]
    assert told[len(mixed) - len(several) :].tolist() == [6 * n for n in range(1, 50)]


def test_what_damaged_runs_cover() -> None:
    assert covered([]).shape == (0,)
    told = covered(["22", "2", "", "~~", "22P", "oooooooooo0", "\u20ac", b"0b", "13O"])
    assert told.tolist() == [4, 2, 0, -1, -1, -1, -1, -1, 3]


def test_encoding_needs_one_mask() -> None:
    with pytest.raises(InputError, match=r"\(H, W\)"):
        encode_rle(np.zeros((1, 2, 3), bool))


def test_packed_masks_keep_a_part() -> None:
    whole = np.random.default_rng(3).random((5, 30, 40)) > 0.5
    packed = PackedMasks([encode_rle(mask) for mask in whole], (30, 40))
    for index in (np.array([3, 0]), slice(1, 3), np.array([], np.intp)):
        np.testing.assert_array_equal(packed[index](), whole[index])


def test_packed_masks_of_another_photo() -> None:
    packed = PackedMasks([encode_rle(np.ones((3, 4), bool))], (4, 3))
    with pytest.raises(InputError, match="does not fit its photo"):
        packed()
