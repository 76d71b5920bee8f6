"""Own classes that compete for regions with the words that are asked."""

import numpy as np
import pytest
from plugins import Words
from tiny import NAMES, photo, tiny_detector, tiny_model

import vild
from vild.data.categories import Category
from vild.evaluation.detecting import Asking
from vild.evaluation.protocols import get_protocol


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def detector(model):
    return tiny_detector(model=model, teacher=Words(), nms_iou=None)


def test_words_score_as_among_all_own_classes(detector):
    regions = detector.encode(photo())
    together = regions.scores()
    alone = regions.scores(["cat", "couch"])
    assert (alone.sum(axis=1) > together[:, :2].sum(axis=1) + 1e-3).any()
    regions.settings = regions.settings.replace(rivals=True)
    np.testing.assert_allclose(
        regions.scores(["cat", "couch"]), together[:, :2], atol=1e-6
    )
    np.testing.assert_allclose(regions.scores(), together, atol=1e-6)


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_chunks_change_nothing(detector, chunk_size):
    regions = detector.encode(photo())
    regions.settings = regions.settings.replace(rivals=True)
    words = detector.vocabulary([f"thing {i}" for i in range(70)])
    whole = regions.scores(words)
    np.testing.assert_allclose(
        regions.scores(words, chunk_size=chunk_size), whole, atol=1e-6
    )


def test_what_is_found_is_what_scores(detector):
    image = photo()
    regions = detector.encode(image)
    free = regions.detect(["cat"], score_threshold=0.0)
    held = regions.detect(["cat"], score_threshold=0.0, rivals=True)
    assert set(held.class_names) == {"cat"}
    assert held.scores.max() < free.scores.max()
    again = detector.detect(image, ["cat"], score_threshold=0.0, rivals=True)
    np.testing.assert_allclose(again.scores, held.scores, atol=1e-6)


def rows_of(detector, rivals):
    own = detector.own_vocabulary
    return [
        own.names[row]
        for row in range(len(own))
        if (np.abs(rivals - own.embeddings[row]).max(axis=1) < 1e-6).any()
    ]


def test_a_word_does_not_compete_with_itself(detector):
    lexicon = detector.lexicon
    left = lexicon.rivals(detector.vocabulary(["cat", ["settee", "Couch"]]))
    assert rows_of(detector, left) == ["traffic_light", "bow_(weapon)", *NAMES[4:]]
    assert not len(lexicon.rivals(detector.own_vocabulary))


def test_a_strange_word_silences_what_is_nearest_to_it(detector):
    own = detector.own_vocabulary
    near = own.embeddings[5] + 0.1 * own.embeddings[0]
    left = detector.lexicon.rivals(vild.Vocabulary(["hound"], near[None]))
    assert rows_of(detector, left) == own.names[:5]


def test_a_synonym_of_several_classes_silences_them_all(detector):
    words = vild.Vocabulary([["cat", "dog"], ["a", "b"]], np.eye(2, 16))
    left = rows_of(detector, detector.lexicon.rivals(words))
    assert "cat" not in left
    assert "dog" not in left


def test_without_a_detector_there_are_none(detector, tmp_path):
    regions = detector.encode(photo(), masks=False)
    regions.settings = regions.settings.replace(rivals=True)
    regions.save(tmp_path / "regions.npz")
    alone = vild.Regions.load(tmp_path / "regions.npz")
    words = detector.vocabulary(["cat"])
    with pytest.warns(UserWarning, match="rivals=False"):
        scores = alone.scores(words)
    regions.settings = regions.settings.replace(rivals=False)
    np.testing.assert_allclose(scores, regions.scores(words), atol=1e-6)


def test_measuring_asks_without_them(model):
    detector = tiny_detector(model=model, rivals=True)
    asking = Asking(detector, [Category(1, "cat")], get_protocol("lvis"))
    assert asking.settings["rivals"] is False
    given = Asking(
        detector, [Category(1, "cat")], get_protocol("lvis"), settings={"rivals": True}
    )
    assert given.settings["rivals"] is True
