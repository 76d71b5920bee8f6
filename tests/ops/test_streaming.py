import numpy as np
import pytest

from vild.backends import keras
from vild.ops import scoring, selection, streaming

ops = keras.ops
DIM = 16
T = 100


def unit(rng, *shape):
    rows = rng.standard_normal(shape, dtype="float32")
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def tensors(*arrays):
    return [None if array is None else ops.convert_to_tensor(array) for array in arrays]


def chunks(count, size):
    """Where chunks start, and which of their padded rows are classes."""
    for start in range(0, count, size):
        yield start, np.arange(start, start + size) < count


def padded(array, start, size, filler=0):
    part = array[start : start + size]
    filling = np.full((size - len(part), *part.shape[1:]), filler, part.dtype)
    return np.concatenate([part, filling])


def streamed_products(text, image, background, rows, base, size):
    scaled = (x if x is None else np.float32(T) * x for x in (text, image))
    text, image, background = tensors(*scaled, background)
    sums = streaming.start(text, image, background)
    parts = [
        tensors(padded(rows, start, size), valid, padded(base, start, size))
        for start, valid in chunks(len(rows), size)
    ]
    for part, valid, _ in parts:
        logits = streaming.logits(text, image, part, valid)
        sums, _ = streaming.count_in(sums, logits)
    found = []
    for part, valid, flags in parts:
        shares = streaming.shares(sums, streaming.logits(text, image, part, valid))
        found.append(streaming.products(sums, shares, flags))
    return ops.convert_to_numpy(ops.concatenate(found, axis=1))


@pytest.mark.parametrize("size", [1, 7, 64, 100, 128])
@pytest.mark.parametrize("ensemble", [True, False])
def test_products_of_chunks_are_those_of_the_whole(size, ensemble):
    rng = np.random.default_rng(size)
    text = unit(rng, 2, 9, DIM)
    image = unit(rng, 2, 9, DIM) if ensemble else None
    background, rows = rng.standard_normal(DIM, dtype="float32"), unit(rng, 100, DIM)
    base = rng.random(100) < 0.5
    found = streamed_products(text, image, background, rows, base, size)
    assert found.shape[1] == -(-100 // size) * size
    assert (found[:, 100:] == 0).all()
    as_tensors = tensors(text, image, background, rows, base)
    text, image, background, rows, base = as_tensors
    whole, exponent = scoring.score_products(
        scoring.text_logits(text, rows, background),
        scoring.image_logits(image, rows) if ensemble else None,
        base,
    )
    assert exponent == streaming.exponent(image)
    # Other matrix shapes round the logits, up to 100, by 1e-5; that of p by a
    # quarter of it.
    np.testing.assert_allclose(
        found[:, :100] ** exponent,
        ops.convert_to_numpy(whole) ** exponent,
        rtol=2e-5,
        atol=1e-12,
    )


@pytest.mark.parametrize("size", [1, 64, 1024])
def test_many_small_shares_count_beside_a_great_one(size):
    """One after another in float32 they would vanish: 1 + 3e-8 is 1."""
    logits = np.full((1, 4096, 1), np.log(3e-8), "float32")
    logits[:, 0] = 0
    start = np.full((1, 1), -1e30, "float32"), np.zeros((1, 1), "float32")
    sums = tuple(tensors(*start, start[1])), None
    for first in range(0, 4096, size):
        part = ops.convert_to_tensor(logits[:, first : first + size])
        sums, _ = streaming.count_in(sums, (part, None))
    greatest, total, _ = (float(ops.convert_to_numpy(x)[0, 0]) for x in sums[0])
    assert greatest == 0
    assert abs(total - np.exp(logits.astype("float64")).sum()) < 2e-7


def test_a_greater_logit_in_a_later_chunk_rescales_the_sum():
    sums = tuple(tensors(*np.array([[[-1e30]], [[0]], [[0]]], "float32"))), None
    for logit in (-80, -75, 20, 99.5, 100, -100):
        part = ops.convert_to_tensor(np.full((1, 8, 1), logit, "float32"))
        sums, _ = streaming.count_in(sums, (part, None))
    greatest, total, _ = (float(ops.convert_to_numpy(x)[0, 0]) for x in sums[0])
    assert greatest == 100
    np.testing.assert_allclose(total, 8 * (1 + np.exp(-0.5)), rtol=2e-7)


@pytest.mark.parametrize("size", [1, 5, 12, 30])
@pytest.mark.parametrize("number", [3, 40, 360])
def test_merged_candidates_are_those_of_the_whole_ties_included(size, number):
    rng = np.random.default_rng(size)
    products = np.round(rng.random((2, 30, 12), dtype="float32"), 1)
    best = streaming.nothing(2, number)
    for start in range(0, 30, size):
        part = ops.convert_to_tensor(products[:, start : start + size])
        best = streaming.merge(best, part, ops.convert_to_tensor(np.int32(start)))
    whole = selection.candidates(ops.convert_to_tensor(products), number)
    for ours, theirs in zip(best, whole, strict=True):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (ours, theirs)))


def test_where_there_are_fewer_pairs_than_asked_for_nothing_scores():
    products = ops.convert_to_tensor(np.full((1, 2, 3), 0.25, "float32"))
    first = ops.convert_to_tensor(np.int32(5))
    values, regions, classes = streaming.merge(
        streaming.nothing(1, 10), products, first
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(classes)[0, :6], np.repeat([5, 6], 3)
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(regions)[0, :6], np.tile([0, 1, 2], 2)
    )
    scores = ops.convert_to_numpy(streaming.scores(values, 1 / 3))
    np.testing.assert_allclose(scores[0], [0.25 ** (1 / 3)] * 6 + [0] * 4, rtol=1e-6)


def test_scores_are_roots_and_nothing_below_a_normal_float_scores():
    values = np.array([0.125, 1, 2e-38, 1e-39, 0, -1], "float32")
    scores = streaming.scores(ops.convert_to_tensor(values), 1 / 3)
    np.testing.assert_allclose(
        ops.convert_to_numpy(scores), [0.5, 1, 2.7144e-13, 0, 0, 0], rtol=1e-4
    )


@pytest.mark.parametrize("per_class", [1, 4, 11])
def test_the_best_of_a_class_ties_to_the_lower_region(per_class):
    rng = np.random.default_rng(0)
    products = np.round(rng.random((2, 20, 12), dtype="float32"), 1)
    nothing = ops.convert_to_tensor(np.full(2, -1, "float32"))
    found = streaming.best_of_class(*tensors(products), per_class, nothing)
    expected = np.zeros_like(products)
    order = np.argsort(-products, axis=-1, kind="stable")[..., :per_class]
    values = np.take_along_axis(products, order, -1)
    np.put_along_axis(expected, order, values, -1)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), expected)


@pytest.mark.parametrize("lowest", [0.2, 0.5, 0.95])
def test_the_best_of_a_class_are_right_where_it_matters(lowest):
    rng = np.random.default_rng(0)
    products = tensors(rng.random((2, 20, 12), dtype="float32"))
    exact = streaming.best_of_class(*products, 5, *tensors(np.zeros(2, "float32")))
    found = streaming.best_of_class(
        *products, 5, *tensors(np.full(2, lowest, "float32"))
    )
    exact, found = ops.convert_to_numpy(exact), ops.convert_to_numpy(found)
    np.testing.assert_array_equal(
        np.where(exact > lowest, exact, 0), np.where(found > lowest, found, 0)
    )


@pytest.mark.parametrize("size", [1, 7, 30])
def test_the_best_class_ties_to_the_lower_class(size):
    rng = np.random.default_rng(1)
    scores = np.round(rng.random((2, 30, 40), dtype="float32"), 1)
    best = streaming.nothing(2, 40)[::2]
    for start in range(0, 30, size):
        part = ops.convert_to_tensor(scores[:, start : start + size])
        first = ops.convert_to_tensor(np.int32(start))
        best = streaming.merge_best_classes(best, part, first)
    values, classes = map(ops.convert_to_numpy, best)
    np.testing.assert_array_equal(values, scores.max(1))
    np.testing.assert_array_equal(classes, scores.argmax(1))
