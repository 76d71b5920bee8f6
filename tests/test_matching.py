"""A vocabulary in chunks gives what it gives at once."""

import functools

import numpy as np
import pytest
from golden import text_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from written_out import best_of_every_class

import vild
from vild import matching
from vild.errors import InputError
from vild.regions import Regions

REGIONS, DIM = 40, 32


def unit(rng, *shape):
    rows = rng.standard_normal(shape, dtype="float32")
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def vocabulary(rows, base=True):
    return vild.Vocabulary([f"thing {i}" for i in range(len(rows))], rows, base)


def make_regions(rng, text, ensemble=True):
    """Overlapping boxes; two of them are squeezed into the corner."""
    corner = rng.uniform(0, 60, (len(text), 2))
    boxes = np.concatenate([corner, corner + rng.uniform(20, 60, corner.shape)], 1)
    boxes[[3, 7]] = 0
    boxes = boxes.astype("float32")
    return Regions(
        boxes=boxes[:, [1, 0, 3, 2]],
        objectness=np.ones(len(text), "float32"),
        text_embeddings=text,
        image_embeddings=unit(rng, *text.shape) if ensemble else None,
        model_boxes=boxes,
        background=rng.standard_normal(text.shape[1], dtype="float32"),
        image_size=(128, 128),
    )


@functools.cache
def scene(classes, ensemble):
    """Regions and words with twins among both, near and far apart."""
    rng = np.random.default_rng(classes + ensemble)
    text = unit(rng, REGIONS, DIM)
    text[20:25] = text[:5]
    regions = make_regions(rng, text, ensemble)
    if ensemble:
        regions.image_embeddings[20:25] = regions.image_embeddings[:5]
    rows = unit(rng, classes, DIM)
    rows[1] = rows[0]
    rows[-10:] = rows[:10]
    base = rng.random(classes) < 0.5
    base[1] = base[0]
    base[-10:] = base[:10]
    return regions, vocabulary(rows, base)


def found(regions, words, **options):
    """Boxes as numbers of regions (twins have boxes of their own)."""
    result = regions.detect(words, **options)
    distance = np.abs(result.boxes[:, None] - regions.boxes[None]).max(-1)
    pairs = np.stack([result.class_ids, distance.argmin(1)], axis=1)
    return list(map(tuple, pairs.tolist())), result.scores


def assert_same(regions, words, chunk_size, **options):
    pairs, scores = found(regions, words, **options)
    ours, our_scores = found(regions, words, chunk_size=chunk_size, **options)
    assert len(ours) == len(pairs)
    np.testing.assert_allclose(our_scores, scores, rtol=0, atol=1e-6)
    for i, (pair, our_pair) in enumerate(zip(pairs, ours, strict=True)):
        if pair != our_pair:
            # Sums in another order may swap neighbours, but never ties.
            near = np.abs(scores - scores[i]) < 1e-6
            assert our_pair in [pairs[j] for j in np.flatnonzero(near)]
            assert scores[pairs.index(our_pair)] != scores[i]


OPTIONS = [
    {},
    {"nms_iou": None},
    {"nms_iou": None, "score_threshold": 0.3, "max_detections": 20},
    {"pre_nms_detections": 3},
    {"score_threshold": 0.05, "max_detections": 500},
    {"max_detections": 5000, "nms_iou": 0.01},
    {"max_detections": 900, "pre_nms_detections": 2},
]


@settings(max_examples=20)
@given(
    st.sampled_from([100, 300]),
    st.booleans(),
    st.sampled_from([1, 31, 64, 89, 100, 127, 299, 400]),
    st.sampled_from(OPTIONS),
)
def test_chunks_change_no_detection(classes, ensemble, chunk_size, options):
    assert_same(*scene(classes, ensemble), chunk_size, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_setting_in_chunks(options):
    assert_same(*scene(300, True), 89, **options)


@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("chunk_size", [1, 89, np.int64(300), 10**6])
def test_chunks_change_no_score(ensemble, chunk_size):
    regions, words = scene(300, ensemble)
    scores = regions.scores(words, chunk_size=chunk_size)
    assert scores.shape == (REGIONS, 300)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, regions.scores(words), rtol=0, atol=1e-6)


@pytest.mark.parametrize("per_class", [1000, 2])
def test_chunks_give_what_loops_give(per_class):
    regions, words = scene(300, True)
    scores = regions.scores(words)
    options = {"pre_nms_detections": per_class, "max_detections": 60}
    pairs, _ = found(regions, words, chunk_size=89, **options)
    loops = best_of_every_class(regions.model_boxes, scores, 0.0, 0.5, per_class, 60)
    assert pairs == [(k, region) for region, k in loops]


@pytest.mark.parametrize("per_class", [1000, 3])
def test_where_all_scores_are_equal_the_lower_class_and_region_win(per_class):
    row = unit(np.random.default_rng(0), 1, DIM)
    regions = make_regions(np.random.default_rng(0), np.repeat(row, REGIONS, axis=0))
    regions.image_embeddings[:] = row
    words = vocabulary(np.repeat(row, 300, axis=0))
    options = {"nms_iou": 1.0, "max_detections": 100, "pre_nms_detections": per_class}
    eligible = [i for i in range(min(per_class, REGIONS)) if i not in (3, 7)]
    expected = [(k, i) for k in range(300) for i in eligible][:100]
    for chunk_size in (None, 1, 89):
        pairs, _ = found(regions, words, chunk_size=chunk_size, **options)
        assert pairs == expected
        best = regions.detect(words, nms_iou=None, chunk_size=chunk_size)
        assert (best.class_ids == 0).all()


def test_regions_in_the_corner_do_not_crowd_out_the_others():
    """They are never detected, however many classes they score best at."""
    rng = np.random.default_rng(2)
    regions = make_regions(rng, unit(rng, REGIONS, DIM))
    regions.model_boxes[1:] = 0
    regions.boxes[1:] = 0
    # Near to each other, so that all classes score.
    words = vocabulary(unit(rng, 1, DIM) + 0.1 * unit(rng, 300, DIM))
    for options in ({}, {"pre_nms_detections": 5, "max_detections": 9}):
        assert_same(regions, words, 64, **options)
    assert len(regions.detect(words, chunk_size=64)) == 300


@pytest.mark.parametrize("kind", ["reference", "random"])
def test_1203_classes_in_chunks(kind, request):
    rng = np.random.default_rng(3)
    rows, noise = unit(rng, 1203, 512), (5, 9)
    if kind == "reference":
        rows, noise = text_matrix(request.getfixturevalue("reference"), 1203).T, (1, 2)
    near = rows[rng.integers(0, 1203, 100)]
    regions = make_regions(rng, near)
    for vectors in (regions.text_embeddings, regions.image_embeddings):
        vectors[:] = near + rng.uniform(*noise, (100, 1)) * unit(rng, 100, 512)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = vocabulary(rows, rng.random(1203) < 0.7)
    # Scores of all sizes, and not so near to 1 that many are equal.
    best = regions.scores(words).max(1)
    assert best.min() < 0.1
    assert best.max() > 0.5
    assert_same(regions, words, 500)
    np.testing.assert_allclose(
        regions.scores(words, chunk_size=500), regions.scores(words), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("temperature", [100, 20])
def test_many_classes_equal_float64(temperature):
    rng = np.random.default_rng(4)
    regions = make_regions(rng, unit(rng, REGIONS, DIM))
    regions.temperature = temperature
    rows = unit(rng, 20_000, DIM)
    words = vocabulary(rows)

    def softmax(vectors, rows):
        logits = temperature * vectors.astype("float64") @ rows.astype("float64").T
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    background = regions.background / np.linalg.norm(regions.background)
    p = softmax(regions.text_embeddings, np.concatenate([background[None], rows]))
    q = softmax(regions.image_embeddings, rows)
    expected = (p[:, 1:] ** 2 * q) ** (1 / 3)
    scores = regions.scores(words, chunk_size=4000)
    # A temperature of 100 makes of a cosine's rounding, 1e-7, one of 1e-5.
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    result = regions.detect(words, chunk_size=4000, nms_iou=None)
    np.testing.assert_allclose(
        result.scores, np.sort(expected.max(1))[::-1], rtol=0, atol=1e-5
    )


def test_rows_may_lie_in_a_file(tmp_path):
    regions, words = scene(300, True)
    np.save(tmp_path / "rows.npy", words.embeddings)
    mapped = vocabulary(words.embeddings, words.base)
    mapped.embeddings = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for chunk_size in (None, 89):
        ours = found(regions, mapped, chunk_size=chunk_size)
        theirs = found(regions, words, chunk_size=chunk_size)
        assert ours[0] == theirs[0]
        np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("chunk_size", [0, -5, 2.0, True, "8", np.array([8])])
def test_chunk_sizes_that_cannot_be_used(chunk_size):
    regions, words = scene(100, True)
    for method in (regions.detect, regions.scores):
        with pytest.raises(InputError, match="chunk_size must be a whole number"):
            method(words, chunk_size=chunk_size)


def test_only_a_part_of_a_large_vocabulary_is_looked_at_at_once(monkeypatch):
    """By default, too; a small one is compared in one pass."""
    sizes = []
    monkeypatch.setattr(matching, "Streamed", lambda _, words, chunk, rivals: chunk)
    monkeypatch.setattr(matching, "Whole", lambda _, words, rivals: len(words))
    for regions, classes in ((1000, 1203), (1000, 10**6), (10, 10**6), (10**5, 10**6)):
        text = np.zeros((regions, 512), "float32")
        arrays = matching.Arrays(text, None, text[0], text[:, :4], 100.0)
        sizes.append(matching._source(arrays, range(classes), None, None))
        assert sizes[-1] * max(regions, 512) <= max(2**23, 256 * regions)
    assert sizes == [1203, 2048, 4096, 256]
