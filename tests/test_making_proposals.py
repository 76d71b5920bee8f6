"""Proposals of a detector, and of boxes that a person brings."""

import json
import shutil

import numpy as np
import pytest
from tiny import tiny_detector, tiny_model

import vild
from vild.class_agnostic import scored_by
from vild.data.drawn_dataset import DrawnObjects
from vild.data.example import Example
from vild.data.overlap import overlaps
from vild.data.pictures import Picture
from vild.data.stores import open_store
from vild.data.stores.verifying import verify_store
from vild.errors import DataError, InputError
from vild.proposals import make_proposals


class Scenes(DrawnObjects):
    """Drawn scenes, of which some can be damaged."""

    def __init__(self, count=5, damaged=()):
        super().__init__(f"val:{count}", size=(96, 128))
        self.damaged = damaged

    def __getitem__(self, index):
        example = super().__getitem__(index)
        if index in self.damaged:
            facts = {k: v for k, v in vars(example).items() if k != "picture"}
            return Example(picture=Picture(b"nothing", f"scene {index}"), **facts)
        return example


def calm_model(seed=0):
    """A tiny model whose boxes stay near their anchors, inside the photo."""
    model = tiny_model(seed)
    for variable in model.variables:
        layer = variable.path.rpartition("/")[0]
        if layer in ("rpn/deltas", "rpn/scores", "region/deltas"):
            variable.assign(variable * (0.001 if layer == "region/deltas" else 0.01))
    return model


@pytest.fixture(scope="module")
def detector():
    return tiny_detector(model=calm_model())


HOW = {"images_per_shard": 2, "batch_size": 2}


def everything(path):
    return {p.name: p.read_bytes() for p in sorted(path.iterdir())}


def test_boxes_of_a_detector(tmp_path, detector):
    scenes = Scenes()
    store = make_proposals(
        detector, scenes, tmp_path / "s", count=7, nms_iou=0.5, **HOW
    )
    assert list(store) == [1, 2, 3, 4, 5]
    assert store.header["source"]["score"] == "objectness"
    for example in scenes:
        boxes, scores = store[example.image_id]
        assert 0 < len(boxes) <= 7
        assert (np.diff(scores) <= 0).all()
        assert (boxes >= 0).all()
        assert (boxes <= [128, 96, 128, 96]).all()
        regions = detector.encode(example.image, masks=False)
        inside = regions.boxes.clip(0, [128, 96, 128, 96])
        for box, score in zip(boxes, scores, strict=True):
            # A batch of another size rounds otherwise, by parts of a pixel.
            near = np.abs(inside - box).max(axis=1)
            assert near.min() < 0.05
            assert abs(regions.objectness[near.argmin()] - score) < 1e-3
    assert verify_store(tmp_path / "s").problems == []


def test_suppression_and_threshold(tmp_path, detector):
    scenes = Scenes(2)
    every = make_proposals(detector, scenes, tmp_path / "a", nms_iou=None, **HOW)
    fewer = make_proposals(
        detector, scenes, tmp_path / "b", nms_iou=0.3, score_threshold=0.5, **HOW
    )
    assert fewer.counts.sum() < every.counts.sum()
    for image_id in fewer:
        boxes, scores = fewer[image_id]
        table = overlaps(boxes, boxes) - np.eye(len(boxes))
        assert (table < 0.3).all()
        assert (scores >= 0.5).all()


def test_a_detector_of_one_class_is_asked_for_it(tmp_path):
    words = vild.Vocabulary(["object"], np.random.default_rng(0).normal(size=(1, 16)))
    settings = {"image_size": 128, "num_proposals": 40}
    detector = vild.Detector(calm_model(), words, **settings)
    assert scored_by(detector) == "object"
    scenes = Scenes(2)
    store = make_proposals(detector, scenes, tmp_path / "s", nms_iou=None, **HOW)
    assert store.header["source"]["score"] == "object"
    expected = detector.encode(scenes[0].image, masks=False).scores(["object"])[:, 0]
    assert store[1][1].max() == pytest.approx(expected.max(), abs=1e-4)


def test_a_damaged_photo_is_tried_again(tmp_path, detector):
    make_proposals(detector, Scenes(), tmp_path / "a", **HOW)
    with pytest.warns(UserWarning, match="1 of 5 images failed"):
        store = make_proposals(detector, Scenes(damaged=[2]), tmp_path / "b", **HOW)
    assert "'scene 2' is not a picture" in store.failures[3]
    before = {p: p.stat().st_mtime_ns for p in store.path.glob("shard*")}
    with pytest.warns(UserWarning, match="1 of 5 images failed"):
        make_proposals(detector, Scenes(damaged=[2]), tmp_path / "b", **HOW)
    assert before == {p: p.stat().st_mtime_ns for p in store.path.glob("shard*")}
    assert not make_proposals(detector, Scenes(), tmp_path / "b", **HOW).failures
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_going_on(tmp_path, detector):
    make_proposals(detector, Scenes(), tmp_path / "a", **HOW)
    whole = everything(tmp_path / "a")
    (tmp_path / "a" / "shard-00001-of-00003.safetensors").unlink()
    make_proposals(detector, Scenes(), tmp_path / "a", **HOW)
    assert everything(tmp_path / "a") == whole
    with pytest.raises(DataError, match="count is 300, not 5"):
        make_proposals(detector, Scenes(), tmp_path / "a", count=5, **HOW)
    other = tiny_detector(model=calm_model(4))
    with pytest.raises(DataError, match=r"source\.sha256 is"):
        make_proposals(other, Scenes(), tmp_path / "a", **HOW)


def brought(path, boxes):
    entries = [
        {"image_id": i, "bbox": list(box), "score": score} for i, box, score in boxes
    ]
    path.write_text(json.dumps(entries))
    return path


BOXES = [
    (1, (10, 10, 30, 20), 0.5),
    (1, (11, 10, 30, 20), 0.9),
    (1, (100, 80, 60, 60), 0.4),
    (1, (500, 500, 9, 9), 0.8),
    (3, (-5, 4, 20, 20), 0.7),
]


def test_boxes_that_a_person_brings(tmp_path):
    path = brought(tmp_path / "boxes.json", BOXES)
    with pytest.warns(UserWarning, match="3 images of the dataset have no boxes"):
        store = make_proposals(path, Scenes(), tmp_path / "s", **HOW)
    boxes, scores = store[1]
    np.testing.assert_array_equal(boxes, [[11, 10, 41, 30], [100, 80, 128, 96]])
    np.testing.assert_allclose(scores, [0.9, 0.4], rtol=1e-6)
    np.testing.assert_array_equal(store[3][0], [[0, 4, 15, 24]])
    assert len(store[2][0]) == 0
    assert store.failed == set()
    assert store.header["source"]["kind"] == "json"


def test_annotations_are_boxes_too(tmp_path):
    whole = {"annotations": [{"id": 1, "image_id": 2, "bbox": [1, 2, 3, 4]}]}
    (tmp_path / "a.json").write_text(json.dumps(whole | {"images": []}))
    with pytest.warns(UserWarning, match="4 images of the dataset have no boxes"):
        store = make_proposals(str(tmp_path / "a.json"), Scenes(), tmp_path / "s")
    np.testing.assert_array_equal(store[2][0], [[1, 2, 4, 6]])
    assert store[2][1].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("{}", "neither a list nor"),
        ('[{"bbox": [1, 2, 3, 4]}]', "entry 0, .*bbox.*, lacks a whole image_id"),
        ('[{"image_id": 1, "bbox": [1, 2, 3]}]', "a bbox of four numbers"),
        ('[{"image_id": 1, "bbox": [1, 2, 3, NaN]}]', "a bbox of four numbers"),
        ('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": "x"}]', "number as score"),
        ('[{"image_id": 77, "bbox": [1, 2, 3, 4]}]', "is of an image of 'drawn:val'"),
    ],
)
def test_odd_boxes(tmp_path, text, said):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=said):
        make_proposals(tmp_path / "a.json", Scenes(), tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"count": 0}, "count must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"nms_iou": 0}, "nms_iou must be above 0"),
        ({"score_threshold": float("nan")}, "score_threshold must be a number"),
        ({"size": 4}, "no setting 'size'"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, detector, settings, said):
    with pytest.raises(InputError, match=said):
        make_proposals(detector, Scenes(), tmp_path / "s", **settings)
    assert not (tmp_path / "s").exists()


def test_a_saved_detector_by_its_folder(tmp_path, detector):
    detector.save(tmp_path / "d")
    make_proposals(tmp_path / "d", Scenes(2), tmp_path / "a", **HOW)
    make_proposals(detector, Scenes(2), tmp_path / "b", **HOW)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    assert len(open_store(tmp_path / "b")) == 2
