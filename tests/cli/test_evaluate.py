"""`vild evaluate`: a model on a dataset, files alone, cut off and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import vild
from vild.cli import main

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "evaluation"))

from synthetic import make, save  # noqa: E402
from tiny import tiny_detector  # noqa: E402

from vild.data.drawn_dataset import DrawnObjects  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector on disk, and words for drawn objects in its space."""
    folder = tmp_path_factory.mktemp("model")
    tiny_detector().save(folder / "detector")
    names = [category.name for category in DrawnObjects("val:1").categories]
    rows = np.random.default_rng(0).normal(size=(len(names), 16))
    vild.Vocabulary(names, rows, base=True).save(folder / "words.npz")
    return folder


def command(model, out, count, *more):
    return [
        "evaluate",
        str(model / "detector"),
        f"drawn:val:{count}",
        f"--vocabulary={model / 'words.npz'}",
        f"--out={out}",
        "--batch-size=4",
        "--num-proposals=10",
        "--pre-nms-proposals=40",
        "--max-detections=10",
        *more,
    ]


@pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)")
def test_files_alone(tmp_path, capsys):
    paths = save(tmp_path, *make(10, 6, 20))
    arguments = ["evaluate", "--ground-truth", str(paths[0]), "--results"]
    arguments += [str(paths[1]), "--protocol", "lvis"]
    assert main([*arguments, "--json", str(tmp_path / "out.json")]) == 0
    told = json.loads((tmp_path / "out.json").read_text())
    assert list(told) == ["bbox", "segm"]
    usual = ["AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR@300"]
    for kind in told.values():
        assert set(usual) <= set(kind)
        assert all(-1 <= kind[name] <= 1 for name in usual)
    assert 0 < told["bbox"]["AP"] < 1
    assert f"AP50  {100 * told['bbox']['AP50']:12.1f}" in capsys.readouterr().out
    assert main([*arguments, "--json", "-", "--no-masks"]) == 0
    assert json.loads(capsys.readouterr().out) == {"bbox": told["bbox"]}


def test_files_alone_start_no_framework(tmp_path):
    paths = save(tmp_path, *make(4, 6, 5))
    code = (
        "import sys\nfrom vild.cli import main\n"
        f"main(['evaluate', '--ground-truth', {str(paths[0])!r}, '--results', "
        f"{str(paths[1])!r}])\n"
        "print(sorted({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    run = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.check_output(run, text=True).endswith("[]\n")


@pytest.mark.once
def test_a_model_on_a_dataset(model, tmp_path, capsys):
    out = tmp_path / "out"
    json_file = tmp_path / "metrics.json"
    assert main(command(model, out, 6, f"--json={json_file}", "--workers=1")) == 0
    said = capsys.readouterr().out
    assert "images/s" in said
    assert {path.name for path in out.iterdir()} == {
        "run.json",
        "results.json",
        "metrics.json",
        "categories.csv",
    }
    assert json_file.read_text() == (out / "metrics.json").read_text()
    found = json.loads((out / "results.json").read_text())
    assert len(found) > 10
    assert {"image_id", "category_id", "bbox", "score", "segmentation"} == set(found[0])
    # The same again looks at nothing; a thread packs the same masks as processes do.
    assert main(command(model, out, 6)) == 0
    assert "all images had been looked at before" in capsys.readouterr().out
    assert main(command(model, tmp_path / "other", 6, "--workers=0")) == 0
    assert json.loads((tmp_path / "other" / "results.json").read_text()) == found


@pytest.mark.once
def test_a_folder_of_another_run_is_refused(model, tmp_path, capsys):
    assert main(command(model, tmp_path / "out", 2)) == 0
    assert main(command(model, tmp_path / "out", 3)) == 1
    assert "differs in the number of images" in capsys.readouterr().err
    assert main(command(model, tmp_path / "out", 2, "--nms-iou=0.3")) == 1
    assert "differs in the settings" in capsys.readouterr().err
    (tmp_path / "out" / "run.json").unlink()
    assert main(command(model, tmp_path / "out", 2)) == 1
    assert "no run.json that says where it comes from" in capsys.readouterr().err


@pytest.mark.once
def test_killed_in_the_middle_it_goes_on(model, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    count = 16
    assert main(command(model, whole, count)) == 0
    environment = os.environ | {"PYTHONPATH": str(Path(vild.__file__).parents[1])}
    run = [sys.executable, "-m", "vild", *command(model, cut, count, "--workers=0")]
    process = subprocess.Popen(run, env=environment, stderr=subprocess.DEVNULL)
    part = cut / "results.part"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if part.exists() and part.read_bytes().count(b"\n") >= 6:
            break
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 6 <= part.read_bytes().count(b"\n") < count
    with part.open("ab") as file:
        file.write(b'{"image_id": 5, "resul')  # a line that was being written
    assert main(command(model, cut, count)) == 0
    results = [json.loads((run / "results.json").read_text()) for run in (whole, cut)]
    assert results[0] == results[1]
    assert (whole / "metrics.json").read_text() == (cut / "metrics.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r50"], "Give MODEL and DATASET"),
        (["--results", "a.json"], "takes both --ground-truth and --results"),
        (["r50", "drawn:val", "--results", "a.json"], "not both"),
        (["r50", "nothing:here"], "There is no dataset 'nothing'"),
        (["--results=a", "--ground-truth=b", "--limit=3"], "--limit is about a model"),
        (["--ground-truth", "no.json", "--results", "no.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, message, capsys):
    assert main(["evaluate", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)")
def test_intervals_a_comparison_and_a_report(tmp_path, capsys):
    truth, found = make(12, 6, 20, federated=False)
    paths = save(tmp_path, truth, found)
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps([r | {"score": 1 - r["score"]} for r in found]))
    arguments = ["evaluate", "--ground-truth", str(paths[0]), "--results"]
    arguments += [str(paths[1]), "--protocol=coco", "--bootstrap=30"]
    arguments += [f"--baseline={worse}", f"--report={tmp_path / 'r.html'}"]
    assert main([*arguments, f"--out={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().out
    assert "bbox: metric (95% over images)" in said
    assert "segm: difference (95% over images)" in said
    assert "AP gains most:" in said
    assert "Against the other run, masks" in (tmp_path / "r.html").read_text()
    table = (tmp_path / "out" / "categories.csv").read_text().splitlines()
    assert table[0].startswith("id,name,frequency,group,objects,bbox_AP,bbox_AP50")
    assert len(table) == 7
