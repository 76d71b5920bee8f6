"""A detector that is asked words it never heard, through a teacher."""

import json
import warnings

import numpy as np
import pytest
from plugins import Words
from tiny import DIM, NAMES, photo, tiny_detector, tiny_model

import vild
from vild.errors import InputError, TeacherError

ASKED = ["a red scooter", ["sofa", "couch"], "zebra"]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def detector(model):
    return tiny_detector(model=model, teacher=Words(), nms_iou=None)


def test_any_words_can_be_asked(detector):
    image = photo()
    result = detector.detect(image, ASKED)
    assert len(result)
    assert set(result.class_names) <= {"a red scooter", "sofa", "zebra"}
    words = detector.vocabulary(ASKED)
    # The sofa is the detector's own, all others are what the teacher says.
    np.testing.assert_array_equal(
        words.embeddings[1], detector.own_vocabulary.embeddings[1]
    )
    built = vild.Vocabulary.build(["a red scooter", "zebra"], Words())
    np.testing.assert_allclose(words.embeddings[[0, 2]], built.embeddings, atol=1e-6)
    assert words.base.tolist() == [False, True, False]
    again = detector.encode(image).detect(words)
    np.testing.assert_array_equal(again.boxes, result.boxes)
    np.testing.assert_array_equal(again.scores, result.scores)


def test_own_words_need_no_teacher(model):
    detector = tiny_detector(model=model, teacher="nobody:nowhere")
    assert detector.teacher == "nobody:nowhere"
    assert len(detector.vocabulary(["cat", "Couch"])) == 2
    assert len(detector.vocabulary()) == len(NAMES)
    with pytest.raises(
        TeacherError, match=r"'zebra': these words need the teacher 'nobody:nowhere'"
    ):
        detector.detect(photo(), ["cat", "zebra"])


def test_a_set_of_synonyms_with_a_strange_word_is_encoded_whole(detector):
    words = detector.vocabulary([["cat", "moggy"]])
    built = vild.Vocabulary.build([["cat", "moggy"]], Words())
    np.testing.assert_allclose(words.embeddings, built.embeddings, atol=1e-6)
    assert words.base.tolist() == [True], "a synonym is a base class"


def test_templates_make_the_teacher_encode_all(detector, model):
    words = detector.vocabulary(["cat", "zebra"], templates="single")
    built = vild.Vocabulary.build(["cat", "zebra"], Words(), "single")
    np.testing.assert_allclose(words.embeddings, built.embeddings, atol=1e-6)
    everything = detector.vocabulary(templates=["{}"])
    assert everything.synonyms == detector.own_vocabulary.synonyms
    with pytest.raises(InputError, match="encoded already"):
        detector.vocabulary(words, templates="single")
    with pytest.raises(InputError, match="no slot"):
        detector.vocabulary(["cat"], templates=["a photo"])
    with pytest.raises(InputError, match="templates need a teacher"):
        tiny_detector(model=model).vocabulary(["cat"], templates="single")


def test_words_of_another_teacher_are_refused(detector):
    stranger = Words()
    stranger.name = "stranger"
    words = vild.Vocabulary.build(["zebra"], stranger, "single")
    with pytest.raises(InputError, match=r"encoded by stranger .* expected words"):
        detector.detect(photo(), words)
    # From arrays they are taken on trust, and so are those of the same teacher.
    detector.detect(photo(), vild.Vocabulary(["zebra"], words.embeddings))
    detector.detect(photo(), vild.Vocabulary.build(["zebra"], Words(), "single"))
    with pytest.raises(InputError, match="8 dimensions"):
        detector.vocabulary(vild.Vocabulary.build(["zebra"], Words(8), "single"))


def test_the_teacher_must_fit(model):
    with pytest.raises(InputError, match=r"8 dimensions.*regions 16"):
        tiny_detector(model=model, teacher=Words(8))
    words = vild.Vocabulary.build(["cat"], Words(), "single", base=True)
    stranger = Words()
    stranger.name = "stranger"
    with pytest.raises(InputError, match=r"is stranger .* distilled from words"):
        vild.Detector(model, words, teacher=stranger)
    assert vild.Detector(model, words).lexicon.recorded == words.teacher
    with pytest.raises(InputError, match="not among the 1 classes"):
        vild.Detector(model, words).detect(photo(), ["zebra"])


def test_a_saved_detector_knows_its_teacher(detector, tmp_path):
    detector.save(tmp_path / "d")
    config = json.loads((tmp_path / "d" / "config.json").read_text())
    assert config["teacher"] == "words"
    assert config["teacher_fingerprint"] == {
        "name": "words",
        "dim": 16,
        "image_size": 8,
    }
    again = vild.load_pretrained(tmp_path / "d")
    assert again.teacher == "words"
    assert len(again.detect(photo(), ["cat"]).scores) >= 0
    with pytest.raises(TeacherError, match="no teacher 'words'"):
        again.detect(photo(), ["zebra"])
    # The same teacher as an object: no warning.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = vild.load_pretrained(tmp_path / "d", teacher=Words())
    np.testing.assert_array_equal(
        again.vocabulary(ASKED).embeddings, detector.vocabulary(ASKED).embeddings
    )


def test_another_teacher_takes_its_place_with_a_warning(detector, tmp_path):
    detector.save(tmp_path / "d")
    old = vild.Vocabulary.build(["zebra"], Words(), "single")
    stranger = Words()
    stranger.name = "stranger"
    with pytest.warns(
        UserWarning, match=r"'stranger' takes the place of words .*match"
    ):
        again = vild.load_pretrained(tmp_path / "d", teacher=stranger)
    again.detect(photo(), ["zebra"])
    again.detect(photo(), vild.Vocabulary.build(["zebra"], stranger, "single"))
    again.detect(photo(), old)
    third = Words()
    third.name = "third"
    with pytest.raises(InputError, match="encoded by third"):
        again.detect(photo(), vild.Vocabulary.build(["zebra"], third, "single"))
    with pytest.raises(InputError, match="8 dimensions"):
        vild.load_pretrained(tmp_path / "d", teacher=Words(8))
    with pytest.raises(TeacherError, match="no teacher 'x'"):
        vild.load_pretrained(tmp_path / "d", teacher="x:y")


def test_a_teacher_that_changed_is_told(detector, tmp_path):
    first, second = Words(), Words()
    first.fingerprint, second.fingerprint = {"version": 1}, {"version": 2}
    detector = tiny_detector(model=detector.model, teacher=first)
    detector.save(tmp_path / "d")
    with pytest.warns(UserWarning, match=r"takes the place of words \(.*version 1"):
        again = vild.load_pretrained(tmp_path / "d", teacher=second)
    # Own vectors and those of another space: nobody's fingerprint fits.
    assert again.vocabulary(["cat", "zebra"]).teacher is None
    assert again.vocabulary(["zebra"]).teacher["version"] == 2
    # What is saved is what it was distilled from.
    again.save(tmp_path / "e")
    config = json.loads((tmp_path / "e" / "config.json").read_text())
    assert config["teacher"] == "words"
    assert config["teacher_fingerprint"]["version"] == 1


def test_a_detector_of_a_file_of_words_finds_it_again(model, tmp_path):
    path = tmp_path / "words.npz"
    vild.Vocabulary.build(["zebra"], Words(), "name").save(path)
    detector = tiny_detector(
        model=model, teacher=vild.teachers.get(f"precomputed:{path}")
    )
    detector.save(tmp_path / "d")
    again = vild.load_pretrained(tmp_path / "d")
    assert again.teacher == f"precomputed:{path}"
    assert len(again.vocabulary(["zebra"])) == 1


def test_a_specification_leaves_its_fingerprint(model, tmp_path):
    words = vild.Vocabulary(["cat"], np.eye(1, 64), base=True)
    detector = vild.Detector(tiny_model(dim=64), words, teacher="shapes")
    detector.save(tmp_path / "d")
    config = json.loads((tmp_path / "d" / "config.json").read_text())
    assert config["teacher_fingerprint"]["name"] == "shapes"


def test_words_from_a_file_serve_as_a_teacher(detector, tmp_path):
    path = tmp_path / "words.npz"
    vild.Vocabulary.build(["zebra", "a red scooter"], Words()).save(path)
    detector.save(tmp_path / "d")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is known to be the same space
        again = vild.load_pretrained(tmp_path / "d", teacher=f"precomputed:{path}")
    np.testing.assert_allclose(
        again.vocabulary(ASKED).embeddings,
        detector.vocabulary(ASKED).embeddings,
        atol=1e-6,
    )


def test_many_words_without_flags_are_matched_once(detector):
    names = [f"thing {i}" for i in range(5000)]
    rows = np.random.default_rng(0).normal(size=(5000, DIM))
    words = vild.Vocabulary(["cat", *names[1:]], rows)
    first = detector.vocabulary(words)
    second = detector.vocabulary(words)
    assert first.base is not None
    assert first.base.tolist() == second.base.tolist()
    assert first.base.sum() == 1
    assert first.embeddings is words.embeddings
