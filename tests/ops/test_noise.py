import numpy as np
import pytest

from vild.backends import keras
from vild.ops.noise import uniform

array, tensor = keras.ops.convert_to_numpy, keras.ops.convert_to_tensor


def rows(seeds, size, stream=0):
    return array(uniform(tensor(np.array(seeds, "int32")), size, stream))


def test_noise_is_the_same_on_every_backend():
    # Written down once; a difference in one bit would show.
    expected = [[0.5793412327766418, 0.8394250869750977], [0.8374328017, 0.7974317073]]
    found = rows([0, 1], 2, 1)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32(expected))


def test_noise_is_uniform_and_streams_are_apart():
    many = np.concatenate([rows([0, 1, 2**31 - 1], 100_000, s) for s in (0, 1)])
    assert many.min() >= 0
    assert many.max() < 1
    # Six standard errors of mean and correlation for 100,000 numbers.
    assert np.abs(many.mean(axis=1) - 0.5).max() < 6 * 0.2887 / 316
    assert np.abs(np.corrcoef(many)[np.triu_indices(6, 1)]).max() < 6 / 316
    assert np.abs([np.corrcoef(r[1:], r[:-1])[0, 1] for r in many]).max() < 6 / 316
    counts = [np.histogram(row, 100, (0, 1))[0] for row in many]
    # Of 99 degrees of freedom; above 180 once in a million.
    assert max(((c - 1000) ** 2 / 1000).sum() for c in counts) < 180


@pytest.mark.parametrize("size", [1, 7])
def test_a_row_depends_on_its_seed_only(size):
    together = rows([3, 5, 3], size)
    np.testing.assert_array_equal(together[0], together[2])
    np.testing.assert_array_equal(together[1:2], rows([5], size))
