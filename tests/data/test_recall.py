"""Overlaps, suppression, average recall: the last as pycocotools counts it."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_datasets import Few, make_example, run_doctests

from vild.data.overlap import overlaps, suppress
from vild.data.recall import average_recall
from vild.data.stores import open_store
from vild.data.stores.header import make_header
from vild.data.stores.shard import Entry
from vild.data.stores.writing import making

pytestmark = pytest.mark.numpy


@pytest.mark.parametrize(
    "name", ["overlap", "crops", "squares", "brought_boxes", "stores.failures"]
)
def test_examples(name, tmp_path, monkeypatch):
    run_doctests(name, tmp_path, monkeypatch)


def random_boxes(rng, count, side=100):
    corners = rng.integers(0, side, (count, 2))
    return np.concatenate([corners, corners + rng.integers(4, 40, (count, 2))], 1)


@given(seed=st.integers(0, 2**16), count=st.integers(0, 30))
def test_overlaps_are_those_of_counted_pixels(seed, count):
    rng = np.random.default_rng(seed)
    boxes, others = random_boxes(rng, count), random_boxes(rng, 3)

    def mask(box):
        canvas = np.zeros((150, 150), bool)
        canvas[box[1] : box[3], box[0] : box[2]] = True
        return canvas

    table = overlaps(boxes, others)
    assert table.shape == (count, 3)
    for row, box in zip(table, boxes, strict=True):
        for value, other in zip(row, others, strict=True):
            one, two = mask(box), mask(other)
            assert value == np.float32((one & two).sum() / (one | two).sum())


@given(seed=st.integers(0, 2**16), iou=st.sampled_from([0.3, 0.7, 1.0]))
def test_suppression_keeps_the_best_apart(seed, iou):
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, 60, side=40)
    scores = rng.integers(0, 20, 60) / 20
    kept = suppress(boxes, scores, iou=iou, count=60, threshold=0.2)
    assert (np.diff(scores[kept]) <= 0).all()
    assert (scores[kept] >= 0.2).all()
    table = overlaps(boxes, boxes)
    apart = table[np.ix_(kept, kept)] - np.eye(len(kept))
    assert (apart < iou).all()
    for other in set(range(60)) - set(kept.tolist()):
        if scores[other] >= 0.2:  # some better one that was kept covers it
            better = [k for k in kept if scores[k] >= scores[other]]
            assert (table[other, better] >= iou).any()
    first = suppress(boxes, scores, iou=iou, count=5, threshold=0.2)
    np.testing.assert_array_equal(first, kept[:5])
    assert len(suppress(boxes, scores, iou=None, count=60, threshold=0)) == 60


def scene(image_id, rng):
    boxes = random_boxes(rng, 6).astype(np.float32)
    return make_example(
        image_id=image_id,
        size=(150, 150),
        boxes=boxes,
        category_ids=rng.choice([2, 7], 6),
        packed_masks=None,
        crowd=np.arange(6) == 5,
    )


def test_recall_is_that_of_pycocotools(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(3)
    dataset = Few(*(scene(i, rng) for i in range(1, 13)))
    with making(tmp_path / "s", make_header("proposals", dataset, 20)) as work:
        entries = {}
        for example in dataset:
            near = example.boxes + rng.normal(0, 1.5, (30, 6, 4)).astype(np.float32)
            boxes = near.reshape(-1, 4)
            boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)
            scores = np.sort(rng.random(len(boxes)).astype("float32"))[::-1]
            entries[example.image_id] = Entry(rng.permuted(boxes, axis=0), scores)
        work.write(0, work.content(0, entries))
    store = open_store(tmp_path / "s")
    ours = average_recall(dataset, store, (5, 30, 180))
    for group, ids in {"base": [2], "novel": [7], "all": [2, 7]}.items():
        images = [{"id": e.image_id, "height": 150, "width": 150} for e in dataset]
        objects, found = [], []
        for example in dataset:
            for box, kind, crowd in zip(
                example.boxes, example.category_ids, example.crowd, strict=True
            ):
                if kind in ids and not crowd:
                    objects.append(annotation(len(objects) + 1, example, box))
            boxes, scores = store[example.image_id]
            for box, score in zip(boxes, scores, strict=True):
                found.append(annotation(0, example, box) | {"score": float(score)})
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = {
                "images": images,
                "annotations": objects,
                "categories": [{"id": 1, "name": "object"}],
            }
            truth.createIndex()
            judge = COCOeval(truth, truth.loadRes(found), "bbox")
            judge.params.maxDets = [5, 30, 180]
            judge.params.useCats = 0
            judge.evaluate()
            judge.accumulate()
        for i, count in enumerate((5, 30, 180)):
            theirs = judge.eval["recall"][:, 0, 0, i].mean()
            assert ours[group][f"AR@{count}"] == pytest.approx(theirs, abs=1e-9)
    assert 0 < ours["all"]["AR@5"] < ours["all"]["AR@180"] < 1


def annotation(number, example, box):
    x1, y1, x2, y2 = (float(side) for side in box)
    return {
        "id": number,
        "image_id": example.image_id,
        "category_id": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": 0,
    }


def test_no_objects_give_no_number(tmp_path):
    boxes, ids = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    example = make_example(boxes=boxes, category_ids=ids, packed_masks=None)
    dataset = Few(example)
    with making(tmp_path / "s", make_header("proposals", dataset, 20)) as work:
        entry = Entry(np.zeros((0, 4), "float32"), np.zeros(0, "float32"))
        work.write(0, work.content(0, {5: entry}))
    assert average_recall(dataset, open_store(tmp_path / "s"))["all"]["AR@300"] is None
