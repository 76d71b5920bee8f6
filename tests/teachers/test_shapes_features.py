import zipfile
from importlib import resources

import numpy as np
import pytest

from vild.teachers.packed import digest
from vild.teachers.shapes import KNOWN, Shapes
from vild.teachers.shapes_features import (
    STRIDES,
    _convolved,
    load_weights,
    logits,
    softmax,
)

pytestmark = pytest.mark.numpy


def test_weights_are_arrays_and_the_fingerprint_is_theirs() -> None:
    file = resources.files("vild.teachers") / "shapes_weights.npz"
    with file.open("rb") as stream:
        assert stream.seek(0, 2) < 300_000
        names = zipfile.ZipFile(stream).namelist()
    assert all(name.endswith(".npy") for name in names)
    with file.open("rb") as stream:
        # Without pickle an array of objects would be refused.
        weights = dict(np.load(stream, allow_pickle=False))
    assert Shapes().fingerprint == {"version": 1, "sha256": digest(weights)}
    assert weights["words"].tolist() == [*KNOWN, "nothing"]
    changed = {**weights, "bias0": weights["bias0"] + np.float16(1)}
    assert digest(changed) != digest(weights)


def test_convolutions_are_sums_of_products() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    bias = rng.normal(size=4).astype(np.float32)
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for stride in (1, 2):
        expected = np.array(
            [
                [
                    [
                        np.tensordot(image[y : y + 3, x : x + 3], kernel, 3) + bias
                        for x in range(0, 8, stride)
                    ]
                    for y in range(0, 6, stride)
                ]
                for image in padded
            ]
        )
        found = _convolved(maps, kernel, bias, stride)
        # Sums of 27 products in another order.
        np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-5)


def test_the_layers_fit_together() -> None:
    weights = load_weights()
    assert len(STRIDES) == sum(name.startswith("kernel") for name in weights) - 1
    assert logits(np.zeros((5, 64, 64, 3), np.uint8), weights).shape == (5, 30)


def test_shares_of_large_logits() -> None:
    shares = softmax(np.array([[1000, 1000, -1000], [0, 0, 0]], np.float32))
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0], [1 / 3] * 3], atol=1e-7)
