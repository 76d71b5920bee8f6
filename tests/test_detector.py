from collections import Counter

import numpy as np
import pytest
from handmade import bright_detector
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import DIM, NAMES, photo, tiny_detector, tiny_model
from written_out import best_of_every_class

import vild
from vild.digests import detector_facts
from vild.errors import CheckpointError, InputError
from vild.regions import Regions


@pytest.fixture(scope="module")
def detector():
    return tiny_detector()


@pytest.fixture(scope="module")
def regions(detector):
    return detector.encode(photo())


@pytest.fixture(scope="module")
def bright():
    return bright_detector(image_size=256, num_proposals=5, score_threshold=0.5)


def assert_same(a, b, boxes=1e-3, scores=1e-5):
    assert a.class_names == b.class_names
    np.testing.assert_allclose(a.boxes, b.boxes, atol=boxes)
    np.testing.assert_allclose(a.scores, b.scores, atol=scores)


@settings(max_examples=25)
@given(
    st.floats(-3, 3),
    st.floats(100, 900),
    st.floats(0, 0.6),
    st.floats(0, 0.6),
)
def test_boxes_and_masks_land_on_the_object(bright, log_ratio, side, top, left):
    """From 1:8 to 8:1, wherever the object is in the photo."""
    ratio = 2.0 ** (log_ratio / 2)
    height, width = max(int(side / ratio), 16), max(int(side * ratio), 16)
    image = np.zeros((height, width, 3), np.uint8)
    y1, x1 = int(top * height), int(left * width)
    y2, x2 = y1 + max(int(0.4 * height), 8), x1 + max(int(0.4 * width), 8)
    image[y1:y2, x1:x2] = 255
    result = bright.detect(image)
    assert len(result) > 0
    scale = 256 / max(height, width)
    # A position is known to one cell of the finest map, which is 4 input pixels.
    slack = 4 / scale + 1
    centre_x = (result.boxes[:, 0] + result.boxes[:, 2]) / 2
    centre_y = (result.boxes[:, 1] + result.boxes[:, 3]) / 2
    # Boxes are clipped at the image edge, which moves their centre inwards.
    inside = (result.boxes[:, 0] > 0) & (result.boxes[:, 1] > 0)
    inside &= (result.boxes[:, 2] < width - 1) & (result.boxes[:, 3] < height - 1)
    assert (centre_x[inside] > x1 - slack).all()
    assert (centre_x[inside] < x2 + slack).all()
    assert (centre_y[inside] > y1 - slack).all()
    assert (centre_y[inside] < y2 + slack).all()
    assert result.masks.shape == (len(result), height, width)
    truth = np.zeros((height, width), bool)
    truth[y1:y2, x1:x2] = True
    for mask, box in zip(result.masks, result.boxes, strict=True):
        rows, columns = np.nonzero(mask)
        assert len(rows) > 0
        assert rows.min() > y1 - 2 * slack
        assert rows.max() < y2 + 2 * slack
        assert columns.min() > x1 - 2 * slack
        assert columns.max() < x2 + 2 * slack
        in_box = np.zeros_like(truth)
        a, b, c, d = np.round(box).astype(int)
        in_box[max(b, 0) : d, max(a, 0) : c] = True
        margin = int(2 * slack)
        core = np.zeros_like(truth)
        core[y1 + margin : y2 - margin, x1 + margin : x2 - margin] = True
        core[: max(b, 0) + margin] = core[d - margin :] = False
        core[:, : max(a, 0) + margin] = core[:, c - margin :] = False
        assert mask[core & in_box].all()


def test_permuting_classes_permutes_answers_and_nothing_else(regions, detector):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(30, DIM))
    names = [f"thing {i}" for i in range(30)]
    base = rng.random(30) < 0.5
    for iou in (0.5, None):
        plain = regions.detect(vild.Vocabulary(names, rows, base), nms_iou=iou)
        order = rng.permutation(30)
        shuffled = vild.Vocabulary([names[i] for i in order], rows[order], base[order])
        other = regions.detect(shuffled, nms_iou=iou)
        assert_same(plain, other)
        np.testing.assert_array_equal(order[other.class_ids], plain.class_ids)


def test_the_company_of_other_regions_settings_do_not_change_the_scores(regions):
    """Fewer detections are the first of more."""
    many = regions.detect(max_detections=30)
    few = regions.detect(max_detections=7)
    assert_same(many[:7], few)
    strict = regions.detect(score_threshold=float(many.scores[10]))
    assert len(strict) == (many.scores > many.scores[10]).sum()
    assert_same(many[: len(strict)], strict)


def test_photos_of_different_sizes_in_batches(detector):
    photos = [photo(60, 200, 1), photo(200, 60, 2), photo(90, 90, 3)]
    alone = [detector.detect(image) for image in photos]
    for batch_size in (1, 2, 8):
        together = detector.detect(photos, batch_size=batch_size)
        for a, b in zip(alone, together, strict=True):
            # Other batch sizes round otherwise, and box sizes grow with exp().
            assert_same(a, b, boxes=0.05, scores=1e-3)
            np.testing.assert_array_equal(a.masks.shape, b.masks.shape)
            assert (a.masks == b.masks).mean() > 0.999
    assert detector.detect([]) == []


def test_detect_is_encode_and_then_words(detector, regions):
    direct = detector.detect(photo(), ["dog", "cat"])
    later = regions.detect(["dog", "cat"])
    assert_same(direct, later)
    np.testing.assert_array_equal(direct.masks, later.masks)
    assert_same(vild.detect(photo(), ["dog", "cat"], model=detector), direct)


def test_results_describe_themselves(detector, regions):
    result = regions.detect()
    assert result.boxes.dtype == np.float32
    assert (np.diff(result.scores) <= 0).all()
    shown = [
        NAMES[i] if isinstance(NAMES[i], str) else NAMES[i][0] for i in result.class_ids
    ]
    assert result.class_names == shown
    np.testing.assert_allclose(np.linalg.norm(result.embeddings, axis=1), 1, atol=1e-5)
    assert result.masks.dtype == bool
    assert result.masks.shape == (len(result), 96, 128)


def test_merged_embedding(regions):
    merged = 2 * regions.text_embeddings + regions.image_embeddings
    merged /= np.linalg.norm(merged, axis=1, keepdims=True)
    np.testing.assert_allclose(regions.embeddings, merged, atol=1e-6)


def test_one_branch_has_one_embedding():
    detector = tiny_detector(model=tiny_model(ensemble=False))
    regions = detector.encode(photo())
    assert regions.image_embeddings is None
    np.testing.assert_array_equal(regions.embeddings, regions.text_embeddings)
    # The flag means nothing without an image branch.
    assert_same(regions.detect(base=True), regions.detect(base=np.zeros(6, bool)))


def test_base_and_novel_weigh_the_branches_differently(detector, regions):
    rows = detector.own_vocabulary.embeddings
    p = softmax(
        100
        * regions.text_embeddings
        @ np.concatenate([unit(regions.background)[None], rows]).T
    )[:, 1:]
    q = softmax(100 * regions.image_embeddings @ rows.T)
    np.testing.assert_allclose(
        regions.scores(base=True), p ** (2 / 3) * q ** (1 / 3), rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(
        regions.scores(base=np.zeros(6, bool)),
        p ** (1 / 3) * q ** (2 / 3),
        rtol=1e-3,
        atol=1e-6,
    )
    mixed = regions.scores()
    flags = detector.own_vocabulary.base
    np.testing.assert_allclose(mixed[:, flags], regions.scores(base=True)[:, flags])


def unit(vector):
    return vector / np.linalg.norm(vector)


def softmax(logits):
    logits = np.exp(logits - logits.max(1, keepdims=True))
    return logits / logits.sum(1, keepdims=True)


def test_words_are_found_by_any_spelling_and_synonym(detector):
    own = detector.own_vocabulary
    words = detector.vocabulary(["Traffic Light", "couch", ["cat", "dog"]])
    assert words.names == ["Traffic Light", "couch", "cat"]
    np.testing.assert_allclose(words.embeddings[:2], own.embeddings[[2, 1]], atol=1e-6)
    mean = own.embeddings[[0, 5]].mean(0)
    np.testing.assert_allclose(words.embeddings[2], unit(mean), atol=1e-6)
    assert words.base.tolist() == [False, True, True]
    assert detector.vocabulary() is own


def test_two_names_of_one_class_are_told(detector):
    with pytest.warns(UserWarning, match="'sofa' and 'couch' are one class"):
        words = detector.vocabulary(["sofa", "couch"])
    np.testing.assert_array_equal(*words.embeddings)


def test_classes_may_come_from_anywhere(detector):
    expected = detector.vocabulary(["cat", "dog"])
    for classes in (("cat", "dog"), np.array(["cat", "dog"]), iter(["cat", "dog"])):
        assert detector.vocabulary(classes).names == expected.names


def test_base_classes_are_told_by_name(detector):
    rows = np.random.default_rng(0).normal(size=(4, DIM))
    names = ["COUCH", ["unknown", "red_scooter"], "traffic light", "zebra"]
    words = detector.vocabulary(vild.Vocabulary(names, rows))
    assert words.base.tolist() == [True, True, False, False]
    assert detector.vocabulary(words, base=True).base.all()


def test_more_classes_than_candidates_stay_exact(regions):
    """The walk goes on until the answer is complete."""
    rng = np.random.default_rng(1)
    # 400 nearly equal classes: the best candidates are all of a few regions.
    rows = rng.normal(size=(1, DIM)) + 1e-3 * rng.normal(size=(400, DIM))
    words = vild.Vocabulary([f"thing {i}" for i in range(400)], rows, base=True)
    scores = regions.scores(words)
    found = regions.detect(words, max_detections=6000, nms_iou=0.01)
    expected = best_of_every_class(regions.model_boxes, scores, 0.0, 0.01, 1000, 6000)
    assert len(found) == len(expected)
    # Boxes at the image edge coincide, so boxes are compared, not their regions.
    ours = Counter(zip(map(tuple, found.boxes), found.class_ids, strict=True))
    theirs = Counter((tuple(regions.boxes[region]), k) for region, k in expected)
    assert (ours & theirs).total() / len(expected) > 0.999


def test_masks_only_where_they_are_wanted(detector):
    assert detector.detect(photo(), masks=False).masks is None
    without = detector.encode(photo(), masks=False)
    assert without.detect().masks is None
    maskless = tiny_detector(model=tiny_model(mask_convs=None))
    assert maskless.detect(photo()).masks is None


def test_masks_of_many_detections_equal_those_of_few(detector, regions):
    """Whatever batches the mask head runs in."""
    every = detector.mask_crops(regions, np.arange(len(regions)))
    assert every.shape == (len(regions), 28, 28)
    few = detector.mask_crops(regions, np.array([17, 3, 39]))
    np.testing.assert_allclose(few, every[[17, 3, 39]], atol=1e-5)
    assert detector.mask_crops(regions, np.array([], int)).shape == (0, 28, 28)


def test_scores_have_the_temperature_of_the_model(tmp_path):
    """Of two classes the text branch alone tells apart, by cosines times it."""
    model = tiny_model(ensemble=False, temperature=20)
    regions = tiny_detector(model=model).encode(photo())
    regions.save(tmp_path / "photo.npz")
    words = vild.Vocabulary(["one", "two"], np.eye(2, DIM), True)
    cosines = regions.text_embeddings[:, :2].astype("float64")
    for asked in (regions, Regions.load(tmp_path / "photo.npz")):
        first, second = asked.scores(words).T
        np.testing.assert_allclose(
            np.log(first / second), 20 * (cosines[:, 0] - cosines[:, 1]), atol=1e-4
        )


def test_a_digest_changes_with_the_temperature():
    """Predictions that were kept of the one are none of the other."""
    facts = [
        detector_facts(tiny_detector(model=tiny_model(**options)))["sha256"]
        for options in ({}, {"temperature": 100}, {"temperature": 20})
    ]
    assert facts[0] == facts[1] != facts[2]


def test_regions_survive_the_disk(detector, regions, tmp_path):
    path = tmp_path / "photo.npz"
    regions.save(path)
    words = detector.vocabulary(["cat", "dog"])
    alone = Regions.load(path)
    assert_same(alone.detect(words), regions.detect(words))
    assert alone.detect(words).masks is None
    with pytest.raises(InputError, match="loaded without a detector"):
        alone.detect(["cat"])
    regions.save(path, features=True)
    whole = Regions.load(path, detector)
    assert_same(whole.detect(["cat"]), regions.detect(["cat"]))
    np.testing.assert_array_equal(
        whole.detect(["cat"]).masks, regions.detect(["cat"]).masks
    )
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        Regions.load(path)
    with pytest.raises(CheckpointError, match="no file"):
        Regions.load(tmp_path / "absent.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["photo.npz"]


def test_every_kind_of_image(detector, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo()).save(path)
    expected = detector.detect(photo())
    for image in (path, str(path), Image.fromarray(photo())):
        assert_same(detector.detect(image), expected)


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        ([], "empty"),
        ("cat", r"write \['cat'\]"),
        (["cat", " "], "empty"),
        (["cat", 3], "must be a name"),
        (["cat", "Cat"], "twice"),
        ([["cat"], []], "empty"),
        ([["cat", 5]], "must be a string"),
        (5, "must be a list"),
        (["bow"], r"'bow_\(weapon\)'.*teacher"),
        (["cats"], "near: 'cat'"),
    ],
)
def test_words_that_cannot_be_used(detector, classes, sentence):
    with pytest.raises(InputError, match=sentence):
        detector.detect(photo(), classes)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"image_size": 0}, "image_size"),
        ({"image_size": 10**6}, "image_size"),
        ({"image_size": (64, 64, 3)}, "image_size"),
        ({"num_proposals": 0}, "num_proposals"),
        ({"max_detections": 2.5}, "max_detections"),
        ({"nms_iou": 0}, "nms_iou"),
        ({"nms_iou": "half"}, "nms_iou"),
        ({"score_threshold": 1.0}, "score_threshold"),
        ({"score_threshold": float("nan")}, "score_threshold"),
        ({"masks": "yes"}, "masks"),
        ({"threshold": 0.5}, "no setting 'threshold'"),
        ({"score_threshold": "0.5"}, "score_threshold"),
        ({"nms_iou": True}, "nms_iou"),
        ({"dtype": "bfloat16"}, "set it when the detector is made"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_cannot_be_used(detector, setting, sentence):
    with pytest.raises(InputError, match=sentence):
        detector.detect([photo()], **setting)


@pytest.mark.once
def test_settings_are_kept_as_plain_values(detector, tmp_path):
    odd = {
        "max_detections": np.int64(7),
        "num_proposals": np.int32(30),
        "image_size": np.array([96, 128]),
        "score_threshold": np.float32(0.0),
        "masks": np.bool_(True),
    }
    regions = detector.encode(photo(), **odd)
    assert len(regions.detect()) == 7
    assert len(regions.detect(max_detections=np.int64(5))) == 5
    assert len(regions.detect(max_detections=5)) == 5
    regions.save(tmp_path / "a.npz")
    loaded = Regions.load(tmp_path / "a.npz", detector)
    assert loaded.settings == regions.settings
    assert loaded.settings.image_size == (96, 128)


def test_words_of_another_space_are_refused_on_every_road(detector, regions):
    words = vild.Vocabulary(["a"], np.ones((1, DIM + 1)))
    for road in (
        lambda: detector.detect(photo(), words),
        lambda: detector.vocabulary(words),
        lambda: regions.detect(words),
    ):
        with pytest.raises(InputError, match="different teachers"):
            road()


def test_regions_of_another_detector_are_refused(regions, tmp_path):
    regions.save(tmp_path / "a.npz", features=True)
    with pytest.raises(InputError, match="another detector"):
        Regions.load(tmp_path / "a.npz", tiny_detector(seed=7))


def test_several_photos_must_be_countable(detector):
    with pytest.raises(InputError, match=r"list\(photos\)"):
        detector.detect(photo() for _ in range(2))
    assert len(detector.detect(np.stack([photo(), photo()]))) == 2
    for size in (None, 1.5):
        with pytest.raises(InputError, match="batch_size"):
            detector.detect([photo()], batch_size=size)


def test_a_vocabulary_does_not_change_with_the_arrays_it_was_made_of():
    base, rows = np.array([True, False]), np.eye(2, 4)
    words = vild.Vocabulary(["a", "b"], rows, base)
    base[:], rows[:] = False, 7
    assert words.base.tolist() == [True, False]
    np.testing.assert_array_equal(words.embeddings, np.eye(2, 4))
    assert vild.Vocabulary(["a", "b"], np.eye(2, 4), [1, 0]).base.tolist() == [
        True,
        False,
    ]


def test_places_that_cannot_be_written(detector, regions, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for save in (
        lambda: regions.save(file / "a.npz"),
        lambda: detector.own_vocabulary.save(file / "a.npz"),
        lambda: detector.save(file / "a"),
    ):
        with pytest.raises(InputError, match="cannot be written"):
            save()
    assert file.read_text() == "mine"


def test_regions_cannot_change_what_was_decided_before(regions):
    with pytest.raises(InputError, match="image_size cannot be changed here"):
        regions.detect(image_size=64)


def test_vocabularies_that_cannot_be_used(detector, regions):
    rows = np.ones((2, DIM))
    for bad, sentence in (
        (np.ones((3, DIM)), r"shape \(2, D\)"),
        (np.ones((DIM, 2)), "transpose"),
        (np.full((2, DIM), np.nan), "NaN"),
        (np.eye(2, DIM) * [[1], [0]], "all zeros"),
        ([["a"] * DIM] * 2, "numbers"),
    ):
        with pytest.raises(InputError, match=sentence):
            vild.Vocabulary(["a", "b"], bad)
    for text in (np.array([["1"], ["2"]]), np.eye(2, dtype=complex)):
        with pytest.raises(InputError, match="real numbers"):
            vild.Vocabulary(["a", "b"], text)
    with pytest.raises(InputError, match="list of names"):
        detector.vocabulary({"cat", "dog"})
    for base in ([True], [2, 0], False):
        with pytest.raises(InputError, match="base must be"):
            vild.Vocabulary(["a", "b"], rows, base)
    with pytest.raises(InputError, match="different teachers"):
        regions.detect(vild.Vocabulary(["a"], np.ones((1, DIM + 1))))
    with pytest.raises(InputError, match="templates"):
        detector.vocabulary(["cat"], templates="vild")


def test_a_vocabulary_survives_the_disk(detector, tmp_path):
    path = tmp_path / "words.npz"
    detector.own_vocabulary.save(path)
    words = vild.Vocabulary.load(path)
    assert words.synonyms == detector.own_vocabulary.synonyms
    np.testing.assert_array_equal(words.embeddings, detector.own_vocabulary.embeddings)
    np.testing.assert_array_equal(words.base, detector.own_vocabulary.base)
    np.savez(path, synonyms=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointError, match="not a vocabulary file"):
        vild.Vocabulary.load(path)


def test_the_background_of_a_padded_vocabulary_is_never_reported(regions):
    """Programs are compiled for few vocabulary sizes; the rest is padding."""
    for count in (1, 7, 8, 9, 300):
        rows = np.random.default_rng(count).normal(size=(count, DIM))
        words = vild.Vocabulary([f"n{i}" for i in range(count)], rows, base=True)
        found = regions.detect(words, max_detections=300)
        assert found.class_ids.max() < count
        np.testing.assert_allclose(np.sort(found.scores)[::-1], found.scores)
