"""Intervals over images, and two runs beside each other."""

import json

import numpy as np
import pytest
from synthetic import make, save

from vild.errors import InputError
from vild.evaluation import compare, evaluate_files, intervals
from vild.evaluation.bootstrap import draw, resampled

pytestmark = [
    pytest.mark.numpy,
    pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)"),
]


@pytest.fixture(params=["lvis", "coco", "voc", "proposals"])
def run(request, tmp_path):
    made = make(12, 6, 25, federated=request.param == "lvis", masks=False)
    return evaluate_files(*save(tmp_path, *made), request.param)


def test_every_image_once_gives_the_metrics_themselves(run):
    once = np.ones((1, len(run.truth.image_ids)), np.int32)
    scored = run.scored["bbox"]
    found = resampled(scored, run.protocol, once)
    assert {"AR@1000"} == set(found) or {"AP50", "AP75"} <= set(found)
    for name, values in found.items():
        assert values[0] == pytest.approx(scored.metrics[name], abs=1e-12), name


def test_an_image_drawn_twice_counts_as_two(tmp_path):
    """Against a ground truth in which that image really is there twice."""
    truth, found = make(10, 5, 20, federated=False, masks=False)
    for number, result in enumerate(found):
        result["score"] = 1 / (1 + number)  # ties would go by image
    paths = save(tmp_path, truth, found)
    once = evaluate_files(*paths, "coco")
    weights = draw(10, 5, seed=3)
    ours = resampled(once.scored["bbox"], once.protocol, weights)
    for sample, counts in enumerate(weights):
        images, annotations, results = [], [], []
        for row, count in enumerate(counts.tolist()):
            old = int(once.truth.image_ids[row])
            for copy in range(count):
                new = {"image_id": 1000 * old + copy}
                image = next(i for i in truth["images"] if i["id"] == old)
                images.append(image | {"id": new["image_id"]})
                for entry in truth["annotations"]:
                    if entry["image_id"] == old:
                        number = {"id": len(annotations) + 1}
                        annotations.append(entry | new | number)
                results += [r | new for r in found if r["image_id"] == old]
        again = truth | {"images": images, "annotations": annotations}
        metrics = evaluate_files(*save(tmp_path, again, results), "coco").metrics
        for name, values in ours.items():
            # Equal scores of the copies are counted one after the other there, where
            # here they count at once: between finds that changes no envelope.
            assert values[sample] == pytest.approx(metrics["bbox"][name], abs=2e-3)


def test_intervals_hold_the_metric_and_narrow_with_images(tmp_path):
    widths = []
    for images in (10, 80):
        paths = save(tmp_path, *make(images, 5, 20, federated=False, masks=False))
        run = evaluate_files(*paths, "coco")
        found = intervals(run.scored["bbox"], run.protocol, samples=200)
        assert found["AP"].low <= found["AP"].value <= found["AP"].high
        widths.append(found["AP"].high - found["AP"].low)
    assert widths[1] < 0.6 * widths[0]
    with pytest.raises(InputError, match="level lies between 0 and 1"):
        intervals(run.scored["bbox"], run.protocol, level=95)


def test_two_runs_are_compared_class_by_class(tmp_path):
    truth, found = make(40, 6, 25, federated=False, masks=False)
    first = evaluate_files(*save(tmp_path, truth, found), "coco")
    spoilt = truth["categories"][2]["id"]
    worse = [
        r | {"score": 1 - r["score"]} if r["category_id"] == spoilt else r
        for r in found
    ]
    (tmp_path / "worse.json").write_text(json.dumps(worse))
    second = evaluate_files(tmp_path / "truth.json", tmp_path / "worse.json", "coco")
    comparison = compare(first, second, samples=300)["bbox"]
    changed = [row for row in comparison.categories if row["difference"] != 0]
    assert [row["id"] for row in changed] == [spoilt]
    difference = comparison.differences["AP"]
    expected = second.metrics["bbox"]["AP"] - first.metrics["bbox"]["AP"]
    assert difference.value == pytest.approx(expected)
    assert difference.low <= difference.value <= difference.high
    # Drawn together, the runs differ by far less than either moves.
    alone = intervals(first.scored["bbox"], first.protocol, samples=300)["AP"]
    assert difference.high - difference.low < 0.7 * (alone.high - alone.low)
    assert f"{truth['categories'][2]['name']} (" in comparison.table()
    same = compare(first, first, samples=10)["bbox"]
    assert same.differences["AP"].low == same.differences["AP"].high == 0


def test_runs_on_other_images_are_not_compared(tmp_path):
    one = evaluate_files(*save(tmp_path, *make(6, 5, 9, masks=False)), "lvis")
    other = evaluate_files(*save(tmp_path, *make(7, 5, 9, masks=False)), "lvis")
    with pytest.raises(InputError, match="differ in their images or categories"):
        compare(one, other)
