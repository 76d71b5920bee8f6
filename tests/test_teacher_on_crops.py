"""The teacher as a detector: scores, words, masks, and what it is good for."""

import numpy as np
import pytest
from test_making_proposals import calm_model
from tiny import photo, tiny_detector

import vild
from vild.crop_regions import CropRegions
from vild.data.crops import boxes_inside
from vild.data.drawn_dataset import DrawnObjects
from vild.data.overlap import overlaps
from vild.embedding import Job, encode_boxes
from vild.errors import InputError, TeacherError
from vild.teacher_on_crops import TeacherOnCrops
from vild.teachers.protocol import unit_rows

NAMES = ["a red star", ["a blue ring", "an azure ring"], "a green square"]


class Sixteen:
    """A teacher of the tiny detector's dimension: patches of grey."""

    name, dim, image_size = "sixteen", 16, 16
    templates = "name"

    def __init__(self, version=1):
        self.fingerprint = {"version": version}

    def encode_text(self, texts):
        seeds = [sum(text.encode()) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=16) for seed in seeds]
        return unit_rows(rows, 16)

    def encode_image(self, images):
        patches = images.reshape(len(images), 4, 4, 4, 4, 3).mean(axis=(2, 4, 5))
        return unit_rows(patches.reshape(-1, 16) - 127.5, 16)


@pytest.fixture(scope="module")
def detector():
    return tiny_detector(model=calm_model())


@pytest.fixture(scope="module")
def shapes(detector):
    return TeacherOnCrops(detector, "shapes", count=45)


def test_scores_are_the_mean_of_objectness_and_teacher(detector, shapes):
    regions = shapes.encode(photo())
    assert isinstance(regions, CropRegions)
    assert len(regions) == 45
    there = regions.objectness >= 0
    assert 0 < there.sum() < 45  # the rest only fills up
    seen = detector.encode(photo())
    for box, sure in zip(regions.boxes[there], regions.objectness[there], strict=True):
        row = np.abs(seen.boxes - box).max(axis=1).argmin()
        np.testing.assert_array_equal(seen.boxes[row], box)
        assert seen.objectness[row] == sure
    boxes = boxes_inside(regions.boxes[there], (96, 128))[0]
    teacher = vild.teachers.get("shapes")
    rows = encode_boxes([Job(photo, boxes)], teacher, 128)[0]
    # The bits of this teacher's rows depend on their crops alone.
    np.testing.assert_array_equal(regions.embeddings[there], rows)
    words = vild.Vocabulary.build(NAMES, "shapes")
    shares = np.exp(100.0 * (rows @ words.embeddings.T).astype(float))
    shares /= shares.sum(axis=1, keepdims=True)
    expected = np.sqrt(regions.objectness[there, None] * shares)
    scores = regions.scores(NAMES)
    # exp(100 x) of float32 cosines: 100 times their rounding of 6e-8.
    np.testing.assert_allclose(scores[there], expected, rtol=2e-5, atol=1e-12)
    assert (scores[~there] == 0).all()
    alone = TeacherOnCrops(detector, "shapes", count=45, objectness_weight=0)
    np.testing.assert_allclose(
        alone.encode(photo()).scores(NAMES)[there], shares, rtol=4e-5, atol=1e-12
    )
    flat = TeacherOnCrops(
        detector, "shapes", count=45, objectness_weight=0, temperature=20
    )
    assert flat.fingerprint != alone.fingerprint
    found = flat.encode(photo()).scores(NAMES)[there]
    # A fifth of the logits: the fifth root of the shares, summed to one again.
    roots = shares**0.2
    np.testing.assert_allclose(
        found, roots / roots.sum(axis=1, keepdims=True), rtol=4e-5
    )


def test_detections_are_suppressed_within_their_class(shapes):
    found = shapes.detect(photo(), NAMES, nms_iou=0.4, max_detections=20)
    assert 3 < len(found) <= 20
    assert (np.diff(found.scores) <= 0).all()
    for k in range(3):
        boxes = found.boxes[found.class_ids == k]
        table = overlaps(boxes, boxes) - np.eye(len(boxes))
        assert (table < 0.41).all()
    scores = shapes.encode(photo()).scores(NAMES)
    assert found.scores[0] == pytest.approx(scores.max(), rel=1e-6)
    assert found.class_names[0] in ("a red star", "a blue ring", "a green square")
    single = shapes.detect(photo(), NAMES, nms_iou=None, max_detections=45)
    assert len(single) == (shapes.encode(photo()).objectness >= 0).sum()


def test_several_photos_and_masks(shapes):
    photos = [photo(seed=1), photo(70, 90, seed=2), photo(seed=3)]
    together = shapes.detect(photos, NAMES, batch_size=2)
    for image, found in zip(photos, together, strict=True):
        alone = shapes.detect(image, NAMES)
        assert found.image_size == image.shape[:2]
        assert found.masks.shape == (len(found), *image.shape[:2])
        # Batches of another size round otherwise, by parts of a pixel.
        np.testing.assert_allclose(found.scores, alone.scores, atol=2e-2)
    assert shapes.detect([], NAMES) == []
    assert shapes.detect(photo(), NAMES, masks=False).masks is None


def test_regions_are_searched_in_the_space_of_the_teacher(shapes):
    regions = shapes.encode(photo())
    cosines = regions.similarity("a red star")
    row = vild.teachers.get("shapes").encode_text(["a red star"])[0]
    np.testing.assert_allclose(cosines, regions.embeddings @ row, atol=1e-6)
    assert len(regions.search("a red star", max_detections=3)) <= 3


def test_words(detector, shapes):
    own = shapes.vocabulary()
    assert own.names == detector.own_vocabulary.names
    np.testing.assert_array_equal(own.base, detector.own_vocabulary.base)
    assert own.dim == 64  # by the teacher, not the detector's own vectors
    words = shapes.vocabulary(["Couch", "a red star", "traffic light"])
    assert words.base.tolist() == [True, False, False]
    assert shapes.vocabulary(["cat"], base=[False]).base.tolist() == [False]
    built = vild.Vocabulary.build(NAMES, "shapes")
    assert shapes.vocabulary(built).names == built.names
    with pytest.raises(InputError, match="16 dimensions"):
        shapes.detect(photo(), detector.own_vocabulary)
    with pytest.raises(InputError, match="encoded already"):
        shapes.vocabulary(built, templates="name")


def test_the_ensemble_with_the_text_branch():
    """Equal to the release's formula with the crops as the image branch."""
    teacher = Sixteen()
    plain = tiny_detector(model=calm_model())
    detector = vild.Detector(
        plain.model,
        plain.own_vocabulary,
        teacher=teacher,
        image_size=128,
        num_proposals=40,
    )
    both = TeacherOnCrops(detector, text_branch=True, count=30)
    regions = both.encode(photo())
    there = regions.objectness >= 0
    words = both.vocabulary()
    assert words.base.any()
    assert not words.base.all()
    background = regions.background / np.linalg.norm(regions.background)
    rows = np.concatenate([background[None], words.embeddings]).astype(float)
    p = np.exp(100.0 * (regions.text_embeddings[there] @ rows.T))
    p = (p / p.sum(axis=1, keepdims=True))[:, 1:]
    q = np.exp(
        100 * (regions.image_embeddings[there] @ words.embeddings.T).astype(float)
    )
    q /= q.sum(axis=1, keepdims=True)
    expected = np.where(words.base, p * p * q, p * q * q) ** (1 / 3)
    np.testing.assert_allclose(
        regions.scores(words)[there], expected, rtol=1e-3, atol=1e-6
    )
    boxes = boxes_inside(regions.boxes[there], (96, 128))[0]
    crops = encode_boxes([Job(photo, boxes)], teacher, 128)[0]
    np.testing.assert_allclose(regions.image_embeddings[there], crops, atol=1e-6)
    assert len(both.detect(photo(), ["cat", "a thing"]))
    assert "text branch + sixteen" in repr(both)
    assert TeacherOnCrops(detector).lexicon.teacher is teacher
    with pytest.raises(InputError, match="need one space"):
        TeacherOnCrops(detector, Sixteen(version=2), text_branch=True)


def test_spaces_that_differ_and_settings_that_make_no_sense(detector):
    with pytest.raises(InputError, match="need one space"):
        TeacherOnCrops(detector, "shapes", text_branch=True)
    with pytest.raises(TeacherError, match="has no teacher"):
        TeacherOnCrops(detector)
    for settings, said in [
        ({"count": 0}, "count must be"),
        ({"objectness_weight": 2}, "from 0 to 1"),
        ({"proposal_nms_iou": 0}, "proposal_nms_iou must be"),
        ({"encode_dtype": "float16"}, "in one way only"),
        ({"temperature": 0}, "above 0"),
    ]:
        with pytest.raises((InputError, TeacherError), match=said):
            TeacherOnCrops(detector, "shapes", **settings)


def test_a_teacher_that_fails_says_so(detector):
    class Broken(Sixteen):
        name = "broken"

        def encode_image(self, images):
            if len(images) > 3:  # the trial when it is loaded has three
                raise ArithmeticError("no")
            return super().encode_image(images)

    with pytest.raises(TeacherError, match="encode_image failed"):
        TeacherOnCrops(detector, Broken()).detect(photo(), ["cat"])


def test_it_knows_drawn_objects_that_the_detector_never_saw(shapes):
    """Boxes near a drawing are named rightly, although the detector is random."""
    scenes = DrawnObjects("val:12", size=(96, 128), objects=(1, 2))
    names = [category.name for category in scenes.categories]
    right = []
    for example in scenes:
        found = shapes.detect(example.image, names, nms_iou=None, max_detections=45)
        table = overlaps(found.boxes, example.boxes)
        near = np.flatnonzero(table.max(axis=1) > 0.5)
        wanted = example.category_ids[table.argmax(axis=1)] - 1
        right += (found.class_ids == wanted)[near].tolist()
    assert len(right) > 10
    assert np.mean(right) > 0.5  # of 100 names


def test_an_evaluation_does_not_go_on_with_the_answers_of_the_detector(
    detector, shapes, tmp_path
):
    scenes = DrawnObjects("val:2")
    words = vild.Vocabulary.build(
        [c.name for c in scenes.categories], "shapes", base=True
    )
    settings = {"vocabulary": words, "out": tmp_path / "run", "masks": False}
    vild.evaluate(shapes, scenes, **settings)
    other = TeacherOnCrops(detector, "shapes", count=45, objectness_weight=0)
    with pytest.raises(vild.VildError, match="detector"):
        vild.evaluate(other, scenes, **settings)
