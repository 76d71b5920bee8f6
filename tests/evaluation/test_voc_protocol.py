"""The protocol of VOC equals the published computation; its files are read."""

import json
import shutil
from collections import defaultdict

import numpy as np
import pytest
from synthetic import make, save
from voc_folder import write_voc
from voc_reference import judge_class

from vild.data.voc import Voc
from vild.evaluation import evaluate_files
from vild.evaluation.from_files import open_truth
from vild.evaluation.results_files import read_results
from vild.evaluation.truth import TruthFromExamples
from vild.evaluation.voc_scoring import score_voc

pytestmark = [
    pytest.mark.numpy,
    pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)"),
]


def inclusive(box):
    """x y width height -> pixels counted from 1, the last one included."""
    x, y, width, height = box
    return x + 1, y + 1, x + width, y + height


def expected(truth, found, threshold, eleven):
    values = []
    for category in truth["categories"]:
        objects, mine = defaultdict(list), []
        for entry in truth["annotations"]:
            if entry["category_id"] == category["id"]:
                hard = bool(entry.get("iscrowd") or entry.get("difficult"))
                objects[entry["image_id"]].append((inclusive(entry["bbox"]), hard))
        if not any(not hard for entries in objects.values() for _, hard in entries):
            continue
        for entry in found:
            if entry["category_id"] == category["id"]:
                box = inclusive(entry["bbox"])
                mine.append((entry["image_id"], entry["score"], box))
        values.append(judge_class(objects, mine, threshold, eleven))
    return np.mean(values)


def with_distinct_scores(found):
    # The published computation leaves the order of equal scores open.
    scores = np.random.default_rng(0).permutation(len(found)) / len(found)
    return [r | {"score": float(s)} for r, s in zip(found, scores, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_published_computation(tmp_path, seed):
    truth, found = make(30, 8, 60, seed, federated=False, masks=False)
    for entry in truth["annotations"][::7]:
        entry["difficult"] = 1
    found = with_distinct_scores(found)
    metrics = evaluate_files(*save(tmp_path, truth, found), "voc").metrics["bbox"]
    for name, threshold in (("AP50", 0.5), ("AP75", 0.75)):
        for rule in ("area", "11point"):
            value = expected(truth, found, threshold, rule == "11point")
            assert metrics[f"{name}_{rule}"] == pytest.approx(value, abs=1e-9)
        assert metrics[name] == metrics[f"{name}_area"]
    assert metrics["AP50"] > 0.1


def test_files_of_voc_give_the_same(tmp_path):
    truth, found = make(12, 5, 30, federated=False, masks=False)
    for entry in truth["annotations"]:
        entry["bbox"] = [float(round(side) or 1) for side in entry["bbox"]]
        entry["iscrowd"] = 0
    for entry in truth["annotations"][::5]:
        entry["difficult"] = 1
    found = with_distinct_scores(found)
    paths = save(tmp_path, truth, found)
    from_json = evaluate_files(*paths, "voc").metrics["bbox"]
    names = {c["id"]: c["name"] for c in truth["categories"]}
    dataset = Voc(write_voc(tmp_path / "VOC2007", truth, names), "test")
    assert [c.name for c in dataset.categories] == sorted(names.values())
    collected = TruthFromExamples(dataset.name, dataset.categories)
    for index in range(len(dataset)):
        collected.add(dataset[index])
    ids = {c.name: c.id for c in dataset.categories}
    renamed = tmp_path / "renamed.json"
    renamed.write_text(
        json.dumps([r | {"category_id": ids[names[r["category_id"]]]} for r in found])
    )
    real = collected.truth()
    metrics = score_voc(real, read_results(renamed, real)).metrics
    assert metrics == pytest.approx(from_json, abs=1e-9)
    shutil.rmtree(tmp_path / "VOC2007" / "JPEGImages")  # metrics need no images
    opened, _ = open_truth(f"voc:{tmp_path / 'VOC2007' / 'test'}")
    assert evaluate_files(opened, renamed, "voc").metrics["bbox"] == metrics
