"""The protocol of LVIS equals the official package."""

import json

import numpy as np
import pytest
from referees import official_lvis
from synthetic import make, save

from vild.data.masks import paste_masks
from vild.data.rle import encode_rle
from vild.evaluation import evaluate_files

# The official package adds up in another order: some last bits differ.
TINY = 1e-9

pytestmark = [
    pytest.mark.numpy,
    pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)"),
]


def check(paths, kinds=("bbox", "segm")):
    metrics = evaluate_files(*paths, "lvis").metrics
    for kind in kinds:
        expected = official_lvis(*paths, kind)
        assert set(expected) <= set(metrics[kind])
        for name, value in expected.items():
            assert metrics[kind][name] == pytest.approx(value, abs=TINY), (kind, name)
    return metrics


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_official_package(tmp_path, seed):
    metrics = check(save(tmp_path, *make(40, 30, seed=seed)))
    assert metrics["bbox"]["AP"] > 0.1
    assert metrics["segm"]["APr"] > 0.1


@pytest.mark.slow
def test_equals_the_official_package_at_the_size_of_lvis(tmp_path):
    check(save(tmp_path, *make(500, 1203)))


def test_equals_it_where_results_have_masks_only(tmp_path):
    truth, found = make(20, 20, 20)
    bare = [{k: v for k, v in result.items() if k != "bbox"} for result in found]
    check(save(tmp_path, truth, bare))


def test_equals_it_with_boxes_only(tmp_path):
    truth, found = make(20, 20, 20, masks=False)
    metrics = check(save(tmp_path, truth, found), ["bbox"])
    assert "segm" not in metrics


def test_equals_it_with_flags_and_an_id_of_zero(tmp_path):
    truth, found = make(20, 10, 30)
    for annotation in truth["annotations"]:
        annotation["id"] -= 1
        annotation["ignore"] = int(annotation["id"] % 5 == 0)
    with pytest.warns(UserWarning, match="has the id 0"):
        check(save(tmp_path, truth, found))


def test_odd_boxes_count_as_they_do_there(tmp_path):
    truth, found = make(20, 10, 30)
    for number, result in enumerate(found):
        x, y, width, height = result["bbox"]
        if number % 5 == 0:
            result["bbox"] = [x, y, width, -height if number % 2 else 0.0]
        elif number % 5 == 1:
            result["bbox"] = [x - 200, y, width, height]
        elif number % 5 == 2:
            result["score"] = -1.0
    check(save(tmp_path, truth, found))


def test_one_image_of_many_equal_scores(tmp_path):
    truth, found = make(8, 5, 50)
    for result in found:
        result["score"] = 0.5
    check(save(tmp_path, truth, found))


def test_equals_the_released_evaluator(reference, tmp_path):
    """Padded rows with score -1 and masks of the mask head, as it submits them."""
    folder = reference / "lvis_tiny"
    given = np.load(folder / "predictions.npz")
    found = []
    for i, image_id in enumerate(given["source_id"].tolist()):
        scale = np.tile(given["image_info"][i][2], 2).astype(np.float32)
        boxes = (given["detection_boxes"][i] / scale)[:, [1, 0, 3, 2]]
        size = tuple(int(side) for side in given["image_info"][i][0])
        masks = paste_masks(given["detection_masks"][i], boxes, size)
        for row, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            found.append(
                {
                    "image_id": image_id,
                    "category_id": int(given["detection_classes"][i, row]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": float(given["detection_scores"][i, row]),
                    "segmentation": encode_rle(masks[row]),
                }
            )
    path = tmp_path / "results.json"
    path.write_text(json.dumps(found))
    metrics = evaluate_files(folder / "lvis_tiny.json", path, "lvis").metrics
    for name, value in json.loads((folder / "metrics.json").read_text()).items():
        kind = "segm" if name.startswith("mask_") else "bbox"
        ours = metrics[kind][name.removeprefix("mask_")]
        assert ours == pytest.approx(value, abs=1e-6), name
