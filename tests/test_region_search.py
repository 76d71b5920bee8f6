"""Looking for a text, a picture or a vector in regions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plugins import Words
from tiny import DIM, photo, tiny_detector

import vild
from vild.backends import keras
from vild.data.squares import to_square
from vild.errors import CheckpointError, InputError, TeacherError

ops = keras.ops

RED, BLUE = (200, 30, 20), (20, 40, 220)
# Boxes of the photo, x1 y1 x2 y2: two red things, a blue one, and half a red one.
BOXES = [(10, 10, 40, 40), (60, 20, 90, 60), (50, 70, 80, 90), (12, 10, 42, 40)]


@pytest.fixture(scope="module")
def painted():
    image = np.full((100, 100, 3), 128, "uint8")
    for (x1, y1, x2, y2), colour in zip(BOXES[:3], (RED, RED, BLUE), strict=True):
        image[y1:y2, x1:x2] = colour
    return image


@pytest.fixture
def regions(painted):
    """Regions whose vectors are what the teacher makes of their crops."""
    teacher = Words()
    crops = [painted[y1:y2, x1:x2] for x1, y1, x2, y2 in BOXES]
    rows = teacher.encode_image(np.stack([to_square(crop, 8) for crop in crops]))
    rows[3] = (rows[0] + 0.1 * rows[2]) / np.linalg.norm(rows[0] + 0.1 * rows[2])
    boxes = np.array(BOXES, "float32")
    detector = tiny_detector(teacher=Words())
    return vild.Regions(
        boxes=boxes,
        objectness=np.ones(4, "float32"),
        text_embeddings=rows,
        image_embeddings=None,
        model_boxes=np.ascontiguousarray(boxes[:, [1, 0, 3, 2]]),
        background=ops.convert_to_numpy(detector.model.region.background),
        image_size=painted.shape[:2],
        teacher=detector.lexicon.recorded,
        detector=detector,
    )


def test_a_crop_finds_the_same_things(regions, painted, tmp_path):
    crop = painted[22:58, 62:88]
    found = regions.search(crop, score_threshold=0.5)
    # The box that overlaps the first one is suppressed.
    np.testing.assert_array_equal(found.boxes, np.array(BOXES[:2], "float32"))
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)
    assert found.class_names == ["query 1", "query 1"]
    Image.fromarray(crop).save(tmp_path / "crop.png")
    for same in (Image.fromarray(crop), Path(tmp_path / "crop.png")):
        np.testing.assert_array_equal(
            regions.search(same, score_threshold=0.5).boxes, found.boxes
        )
    assert len(regions.search(crop, max_detections=1)) == 1
    assert len(regions.search(crop, nms_iou=1.0, score_threshold=0.5)) == 3
    everything = regions.search(crop)
    assert len(everything) == 3
    assert (np.diff(everything.scores) <= 0).all()
    found.draw(painted)


def test_similarity_takes_words_pictures_and_vectors(regions, painted):
    red = painted[22:58, 62:88]
    alone = regions.similarity(red)
    assert alone.shape == (4,)
    assert alone.dtype == np.float32
    assert regions.similarity([red, red]).shape == (4, 2)
    vector = Words().encode_image(to_square(red, 8)[None])[0]
    np.testing.assert_allclose(regions.similarity(5 * vector), alone, atol=1e-6)
    assert regions.similarity(vector[None]).shape == (4, 1)
    words = regions.detector.vocabulary(["zebra", ["cat", "moggy"]])
    both = regions.similarity(["zebra", ["cat", "moggy"]])
    np.testing.assert_allclose(both, regions.embeddings @ words.embeddings.T, atol=1e-6)
    np.testing.assert_array_equal(regions.similarity(words), both)
    np.testing.assert_allclose(regions.similarity("zebra"), both[:, 0], atol=1e-6)
    assert regions.search("zebra", score_threshold=-1).class_names[0] == "zebra"


def test_what_cannot_be_looked_for(regions, tmp_path):
    with pytest.raises(InputError, match="one thing at a time, received 2"):
        regions.search(["zebra", "cat"])
    with pytest.raises(InputError, match="the list is empty"):
        regions.similarity([])
    with pytest.raises(InputError, match="8 dimensions"):
        regions.similarity(np.ones(8))
    with pytest.raises(InputError, match="an image must be"):
        regions.similarity([3])
    for nothing in (5, None, np.array("cat")):
        with pytest.raises(InputError, match="What to look for"):
            regions.similarity(nothing)
    with pytest.raises(InputError, match="nms_iou from 0 to 1"):
        regions.search("zebra", nms_iou=None)
    for threshold in (2, "x", None):
        with pytest.raises(InputError, match="score_threshold from -1"):
            regions.search("zebra", score_threshold=threshold)
    path = tmp_path / "words.npz"
    vild.Vocabulary(["zebra"], np.eye(1, DIM)).save(path)
    regions.detector = tiny_detector(teacher=f"precomputed:{path}")
    assert regions.similarity("zebra").shape == (4,)
    with pytest.raises(TeacherError, match=r"has no encode_image .*vectors of names"):
        regions.search(np.zeros((4, 4, 3), "uint8"))
    regions.detector = tiny_detector()
    with pytest.raises(TeacherError, match="has no teacher: name one"):
        regions.search(np.zeros((4, 4, 3), "uint8"))


def test_saved_regions_are_searched_by_vectors(regions, tmp_path):
    regions.save(tmp_path / "r.npz")
    alone = vild.Regions.load(tmp_path / "r.npz")
    vector = regions.embeddings[2]
    np.testing.assert_array_equal(
        alone.search(vector).boxes, regions.search(vector).boxes
    )
    unflagged = vild.Vocabulary.build(["zebra"], Words())
    regions.image_embeddings = regions.text_embeddings
    regions.save(tmp_path / "ensemble.npz")
    regions.image_embeddings = None
    with pytest.warns(UserWarning, match="nobody knows which of these"):
        vild.Regions.load(tmp_path / "ensemble.npz").scores(unflagged)
    with np.load(tmp_path / "r.npz") as arrays:
        stored = dict(arrays)
    for name in ("boxes", "objectness", "background", "model_boxes"):
        np.savez(tmp_path / "cut.npz", **{**stored, name: stored[name][:2]})
        with pytest.raises(CheckpointError, match=f"{name} has shape"):
            vild.Regions.load(tmp_path / "cut.npz")
    words = regions.detector.vocabulary(["zebra"])
    np.testing.assert_array_equal(
        alone.similarity(words), regions.similarity(["zebra"])
    )
    with pytest.raises(InputError, match="without a detector"):
        alone.similarity("zebra")
    stranger = Words()
    stranger.name = "stranger"
    strange = vild.Vocabulary.build(["zebra"], stranger, "single")
    for ask in (alone.similarity, alone.detect, regions.similarity, regions.detect):
        with pytest.raises(InputError, match="encoded by stranger"):
            ask(strange)
    again = vild.Regions.load(tmp_path / "r.npz", regions.detector)
    np.testing.assert_array_equal(
        again.similarity("zebra"), regions.similarity("zebra")
    )


def test_regions_of_a_photo_can_be_searched():
    detector = tiny_detector(teacher=Words())
    regions = detector.encode(photo())
    found = regions.search(photo()[:20, :20], score_threshold=-1, max_detections=5)
    assert 0 < len(found) <= 5
    assert found.masks.shape[1:] == (96, 128)


def test_squares():
    image = np.zeros((40, 80, 3), "uint8")
    image[:, 20:60] = 255
    assert to_square(image, 40, "crop").min() == 255
    squashed = to_square(image, 40)
    assert squashed.shape == (40, 40, 3)
    assert 0.4 < squashed.mean() / 255 < 0.6
    assert to_square(image.transpose(1, 0, 2), 15, "crop").shape == (15, 15, 3)
    assert to_square(image[:1, :1], 15, "crop").shape == (15, 15, 3)
