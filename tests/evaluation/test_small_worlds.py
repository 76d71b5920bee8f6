"""Small worlds full of ties: matching equals both official packages, bit by bit."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referees import official_lvis, run_coco

from vild.evaluation import evaluate_files

pytestmark = pytest.mark.numpy

# Few places and scores, so that overlaps and scores tie, and are 0.5 or 1 exactly.
sides = st.sampled_from([0.0, 8.0, 16.0, 24.0, 64.0])
sizes = st.sampled_from([8.0, 16.0, 32.0, 96.0, 128.0])
boxes = st.tuples(sides, sides, sizes, sizes).map(list)
images, categories = st.integers(1, 2), st.integers(1, 2)
objects = st.tuples(images, categories, boxes, st.booleans())
answers = st.tuples(images, categories, boxes, st.sampled_from([0.2, 0.5, 0.9]))
worlds = st.tuples(
    st.lists(objects, min_size=1, max_size=14),
    st.lists(answers, min_size=1, max_size=30),
)


def write(folder, world, federated):
    real, found = world
    entries = [{"id": i, "height": 256, "width": 256} for i in (1, 2)]
    if federated:
        for entry in entries:
            absent = [2] if entry["id"] == 1 else []
            entry |= {"neg_category_ids": absent, "not_exhaustive_category_ids": [1]}
    annotations = []
    for number, (image, category, box, flag) in enumerate(real, 1):
        entry = {"id": number, "image_id": image, "category_id": category}
        area = box[2] * box[3]
        entry |= {"bbox": box, "area": area, "iscrowd": int(flag and not federated)}
        if federated:
            entry["ignore"] = int(flag)
        annotations.append(entry)
    kinds = [{"id": i, "name": f"thing {i}", "frequency": "rf"[i - 1]} for i in (1, 2)]
    whole = {"images": entries, "annotations": annotations, "categories": kinds}
    results = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, box, score in found
    ]
    paths = Path(folder, "truth.json"), Path(folder, "results.json")
    for path, content in zip(paths, (whole, results), strict=True):
        path.write_text(json.dumps(content))
    return paths


@pytest.mark.filterwarnings("ignore:.*(more than once|seem to count|lie outside)")
@settings(max_examples=80)
@given(worlds)
def test_coco(world):
    with tempfile.TemporaryDirectory() as folder:
        paths = write(folder, world, federated=False)
        judge = run_coco(*paths, "bbox", summarize=False)
        curves = evaluate_files(*paths, "coco").scored["bbox"].curves
    np.testing.assert_array_equal(curves.precision, judge.eval["precision"][..., 2])
    np.testing.assert_array_equal(curves.recall, judge.eval["recall"])


@pytest.mark.filterwarnings("ignore:.*(more than once|seem to count|lie outside)")
@settings(max_examples=80)
@given(worlds)
def test_lvis(world):
    with tempfile.TemporaryDirectory() as folder:
        paths = write(folder, world, federated=True)
        expected = official_lvis(*paths, "bbox")
        metrics = evaluate_files(*paths, "lvis").metrics["bbox"]
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-12), name
