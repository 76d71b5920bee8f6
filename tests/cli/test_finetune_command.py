"""`vild finetune`."""

import json

import pytest
from new_classes import untrained

import vild
from vild.cli import main


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "detector"
    untrained().save(folder)
    return str(folder)


@pytest.mark.once
def test_the_road_by_commands(start, tmp_path, capsys):
    photos, out = f"coco:{tmp_path}/photos", f"{tmp_path}/a"
    command = ["convert", "drawn:train:40", photos, "--workers", "1"]
    assert main([*command, "--classes", "cyan heart", "bordered pink arrow"]) == 0
    command = ["finetune", start, photos, "--out", out, "--steps", "2"]
    command += ["--set", "batch_size=2", "--val", photos, "--measure", "drawn:val:3"]
    replay = ["--replay", "drawn:train:4", "--replay-share", "0.4"]
    assert main([*command, *replay, "--freeze", "backbone"]) == 0
    said = capsys.readouterr().out
    for words in ("Looking for boxes in", "Measuring on 3 images", "AP50 before"):
        assert words in said
    assert f"The detector is in {out}/detector" in said
    recipe = vild.load_pretrained(f"{out}/detector").provenance["recipe"]
    assert recipe["model"]["frozen"] == ["backbone"]
    assert recipe["steps"] == 2
    kept = json.loads((tmp_path / "a" / "kept.json").read_text())
    assert sorted({row["dataset"] for row in kept}) == ["annotations", "drawn:val"]


def test_the_recipe_is_shown(start, tmp_path, capsys):
    command = ["finetune", start, "drawn:train:4", "--out", str(tmp_path / "a")]
    command += ["--show-recipe", "--steps", "500", "--set", "losses.l2=0"]
    assert main([*command, "--freeze", "none"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["steps"] == 500
    assert shown["optimizer"]["warmup"] == 50
    assert shown["model"]["frozen"] == []
    assert shown["losses"]["l2"] == 0
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-distillation"], "learns by distillation alone"),
        (["--freeze", "head"], "received 'head'"),
        (["--replay", "drawn:train:4", "--replay-share", "1.5"], "between 0 and 1"),
        (["--teacher", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_is_told(start, tmp_path, capsys, options, words):
    command = ["finetune", start, "drawn:train:4", "--out", str(tmp_path / "a")]
    assert main([*command, *options]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
