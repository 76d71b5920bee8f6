"""The protocols of COCO and of proposals equal pycocotools."""

import json

import pytest
from referees import COCO_NAMES, official_coco, run_coco
from synthetic import make, save

from vild.data.coco_split import BASE, EXCLUDED, NOVEL
from vild.errors import DataError
from vild.evaluation import evaluate_files
from vild.evaluation.protocols import RECALLS

TINY = 1e-9

pytestmark = [
    pytest.mark.numpy,
    pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)"),
]


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools(tmp_path, seed):
    paths = save(tmp_path, *make(40, 12, 150, seed, federated=False))
    metrics = evaluate_files(*paths, "coco").metrics
    for kind in ("bbox", "segm"):
        expected = official_coco(*paths, kind)
        for name, value in expected.items():
            assert metrics[kind][name] == pytest.approx(value, abs=TINY), (kind, name)
    assert metrics["bbox"]["AP"] > 0.1


def test_objects365_is_judged_as_coco_is(tmp_path):
    paths = save(tmp_path, *make(10, 5, 20, federated=False, masks=False))
    metrics = evaluate_files(*paths, "objects365").metrics
    assert metrics == evaluate_files(*paths, "coco").metrics


def coco_80(images, results, seed=0):
    """Ground truth whose categories are COCO's."""
    truth, found = make(images, 80, results, seed, federated=False, masks=False)
    names = sorted(BASE | NOVEL | EXCLUDED)
    for entry, name in zip(truth["categories"], names, strict=True):
        entry["name"] = name
    return truth, found


def test_base_and_novel_together_equal_pycocotools(tmp_path):
    """The generalised setting: 65 categories, images that show one of them."""
    truth, found = coco_80(40, 60)
    paths = save(tmp_path, truth, found)
    ours = evaluate_files(*paths, "coco-ovd").metrics["bbox"]
    name_of = {entry["id"]: entry["name"] for entry in truth["categories"]}
    kept = [i for i, name in name_of.items() if name not in EXCLUDED]
    shown = {a["image_id"] for a in truth["annotations"] if a["category_id"] in kept}
    assert 0 < len(shown) < 40
    for suffix, names in (("", BASE | NOVEL), ("_base", BASE), ("_novel", NOVEL)):
        ids = [i for i in kept if name_of[i] in names]
        expected = official_coco(*paths, "bbox", imgIds=sorted(shown), catIds=ids)
        for name in COCO_NAMES[:3] if suffix else COCO_NAMES:
            value = expected[name]
            assert ours[name + suffix] == pytest.approx(value, abs=TINY), name + suffix


@pytest.mark.parametrize("masks", [False, True])
def test_some_of_the_80_categories_are_split_by_their_names(tmp_path, masks):
    truth, found = make(20, 6, 40, federated=False, masks=masks)
    names = ["person", "dog", "stop sign", "cat", "bicycle", "train"]
    for entry, name in zip(truth["categories"], names, strict=True):
        entry["name"] = name
    ids = {entry["name"]: entry["id"] for entry in truth["categories"]}
    metrics = evaluate_files(*save(tmp_path, truth, found), "coco-ovd").metrics
    kept = [a for a in truth["annotations"] if a["category_id"] != ids["stop sign"]]
    shown = sorted({a["image_id"] for a in kept})
    paths = tmp_path / "truth.json", tmp_path / "results.json"
    # A stop sign is neither.
    groups = {"": set(names) - {"stop sign"}, "_novel": {"dog", "cat"}}
    groups["_base"] = groups[""] - groups["_novel"]
    for kind, ours in metrics.items():
        for suffix, group in groups.items():
            part = {"imgIds": shown, "catIds": [ids[name] for name in group]}
            value = official_coco(*paths, kind, **part)["AP50"]
            assert ours[f"AP50{suffix}"] == pytest.approx(value, abs=TINY), suffix
    assert ("segm" in metrics) == masks


def test_without_novel_categories_nothing_is_judged_as_if_there_were(tmp_path):
    paths = save(tmp_path, *make(5, 6, 10, federated=False, masks=False))
    with pytest.raises(DataError, match="None of the categories of 'truth' is novel"):
        evaluate_files(*paths, "coco-ovd")


def test_all_80_categories_are_told_apart_too(tmp_path):
    paths = save(tmp_path, *coco_80(30, 40))
    ours = evaluate_files(*paths, "coco").metrics["bbox"]
    assert ours["AP"] == pytest.approx(official_coco(*paths, "bbox")["AP"], abs=TINY)
    assert ours["AP_novel"] >= 0


def test_proposals_equal_pycocotools(tmp_path):
    truth, found = coco_80(20, 320)
    for result in found:
        del result["category_id"]
    paths = save(tmp_path, truth, found)
    ours = evaluate_files(*paths, "proposals").metrics["bbox"]
    named = tmp_path / "named.json"
    named.write_text(json.dumps([r | {"category_id": 1} for r in found]))
    name_of = {entry["id"]: entry["name"] for entry in truth["categories"]}
    for suffix, names in (("", None), ("_base", BASE), ("_novel", NOVEL)):
        wanted = [
            annotation
            for annotation in truth["annotations"]
            if names is None or name_of[annotation["category_id"]] in names
        ]
        part = tmp_path / f"truth{suffix}.json"
        part.write_text(json.dumps(truth | {"annotations": wanted}))
        judge = run_coco(
            part, named, "bbox", summarize=False, useCats=0, maxDets=[100, 300, 1000]
        )
        recall = judge.eval["recall"][:, 0]  # T, A, M
        for m, limit in enumerate((100, 300, 1000)):
            value = recall[:, 0, m].mean()
            assert ours[f"AR@{limit}{suffix}"] == pytest.approx(value, abs=TINY)
        for a, letter in enumerate("sml", 1):
            value = recall[:, a, 2].mean()
            assert ours[f"AR{letter}@1000{suffix}"] == pytest.approx(value, abs=TINY)


def test_precision_is_that_of_the_curves(tmp_path):
    paths = save(tmp_path, *make(20, 6, 40, federated=False, masks=False))
    scored = evaluate_files(*paths, "coco").scored["bbox"]
    expected = run_coco(*paths, "bbox").eval["precision"][..., 2]
    assert scored.curves.precision.shape == (10, len(RECALLS), 6, 4)
    assert abs(scored.curves.precision - expected).max() < TINY
