"""A saved detector, a dataset on disk, any backend: the same numbers and a report."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bright_dataset import BrightThings
from handmade import bright_detector
from tiny import tiny_detector

import vild
from vild.data.coco import Coco
from vild.data.coco_writing import write_coco
from vild.evaluation.detecting import spoken

ROOT = Path(vild.__file__).parents[1]


def evaluate(arguments, backend=None):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    run = [sys.executable, "-m", "vild", "evaluate", *map(str, arguments)]
    subprocess.run(run, env=environment, check=True, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road")
    bright_detector(image_size=160).save(folder / "detector")
    write_coco(BrightThings(6), folder / "photos")
    return folder


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_every_backend_gives_the_same_numbers(road, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    out = road / backend
    where = [road / "detector", f"coco:{road / 'photos'}"]
    more = ["--protocol=coco", f"--out={out}", "--report", "--workers=0"]
    evaluate([*where, *more, "--num-proposals=1", "--pre-nms-proposals=50"], backend)
    metrics = json.loads((out / "metrics.json").read_text())
    # A box of 32 pixels around a square of 36: an overlap of 0.79.
    assert metrics["bbox"]["AP"] == pytest.approx(0.6, abs=1e-6)
    assert metrics["segm"]["AP50"] == pytest.approx(1, abs=1e-6)
    report = (out / "report.html").read_text("utf-8")
    assert report.count("1 of 1 found, 0 mistaken") == 6
    first = road / "first.json"
    if first.exists():
        known = json.loads(first.read_text())
        for kind, values in known.items():
            assert metrics[kind] == pytest.approx(values, abs=1e-6)
    else:
        first.write_text(json.dumps(metrics))


@pytest.mark.filterwarnings("ignore:Of 939 annotations")
def test_real_photos_with_base_and_novel_categories(tmp_path):
    folder = Path(os.environ.get("VILD_COCO128", "coco128"))
    if not folder.is_dir():
        pytest.skip("set VILD_COCO128 to a folder of the first 128 photos of COCO")
    dataset = Coco(next(folder.glob("*.json")), folder / "images")
    asked = [c for c in dataset.categories if not c.excluded]
    assert len(asked) == 65
    rows = np.random.default_rng(0).normal(size=(65, 16))
    words = vild.Vocabulary([spoken(c) for c in asked], rows, [c.base for c in asked])
    words.save(tmp_path / "words.npz")
    tiny_detector().save(tmp_path / "detector")
    out = tmp_path / "out"
    evaluate(
        [
            tmp_path / "detector",
            f"coco:{next(folder.glob('*.json'))}",
            f"--vocabulary={tmp_path / 'words.npz'}",
            "--protocol=coco-ovd",
            f"--out={out}",
            "--report",
            "--bootstrap=50",
            "--num-proposals=20",
            "--pre-nms-proposals=50",
            "--max-detections=20",
            "--limit=24",
        ]
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"AP50_base", "AP50_novel", "AP50"} <= set(metrics["bbox"])
    assert len({r["image_id"] for r in json.loads((out / "results.json").read_text())})
    report = (out / "report.html").read_text("utf-8")
    assert "48 base and 17 novel" in report
    assert re.search(r"24 images, \d+ objects, 65 categories", report)
    assert report.count("data:image/jpeg") == 12
