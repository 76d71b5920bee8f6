import json
import sys
from pathlib import Path

import pytest

import vild
from vild.cli import main
from vild.recipes import RECIPES

sys.path.append(str(Path(__file__).parents[1] / "runs"))
from small import CHANGES

pytestmark = pytest.mark.usefixtures("compile_quickly")


def train(*arguments):
    return main(["train", *map(str, arguments)])


def test_recipes_are_listed_and_shown(capsys):
    assert train() == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in RECIPES)
    assert train("r50", "--show-recipe", "--set", "batch_size=16") == 0
    shown = capsys.readouterr().out
    assert "Source:" in shown
    assert json.loads(shown[shown.index("{") :])["batch_size"] == 16


@pytest.mark.once
def test_a_detector_is_trained_by_one_command(tmp_path, capsys):
    sets = [part for change in [*CHANGES, "steps=2"] for part in ("--set", change)]
    out = tmp_path / "run"
    command = ["tiny", "drawn:train:8", "--teacher", "shapes", "--out", out, *sets]
    assert train(*command, "--val", "drawn:val:4", "--val-images", 2) == 0
    said = capsys.readouterr().out
    assert f"vild detect PHOTO --model {out}/detector" in said
    assert "mask_loss" in said  # progress, with every loss
    assert "AP50_base" in (out / "history.csv").read_text()
    assert vild.load_pretrained(out / "detector").teacher == "shapes"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "There is no recipe 'nothing'"),
        (["tiny"], "needs DATASET"),
        (["tiny", "drawn:train"], "needs --out DIR"),
        (["tiny", "drawn:middle", "--out", "x"], "train or val"),
        (["tiny", "drawn:train", "--out", "x", "--set", "stepps=1"], "mean steps"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line(arguments, words, capsys):
    assert train(*arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
