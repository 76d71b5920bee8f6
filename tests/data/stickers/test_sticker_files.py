"""`vild data stickers`: pictures into the cache, scenes into files."""

import json

import numpy as np
import pytest

from vild.cli import main
from vild.data.finding import get
from vild.data.stickers import Stickers

pytestmark = pytest.mark.numpy

COMMAND = ["data", "stickers", "--workers", "1"]


def images(folder):
    return {p.name: p.stat().st_mtime_ns for p in (folder / "images").iterdir()}


@pytest.mark.usefixtures("styles")
def test_pictures_are_fetched_and_drawn_once(capsys, monkeypatch):
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert "CC0-1.0, the developers" in said
    assert "674 concepts: 481 base, 145 novel, 48 val" in said
    assert [line.split()[0] for line in said.splitlines()[-5:]] == [
        "train",
        "val",
        "val-unseen",
        "test-seen",
        "test-unseen",
    ]
    # From now on nothing is fetched.
    monkeypatch.setenv("VILD_STICKERS_SOURCE", "/nowhere")
    assert main([*COMMAND, "--splits", "val"]) == 0
    assert len(Stickers("val")) == 1000


@pytest.mark.usefixtures("made")
def test_the_files_hold_the_scenes(tmp_path, capsys):
    command = [*COMMAND, "--out", str(tmp_path), "--size", "96x128", "--seed", "3"]
    assert main([*command, "--splits", "train:4, val:3", "--records"]) == 0
    assert "4 scenes of stickers:train" in capsys.readouterr().out
    scenes = Stickers("val:3", size=(96, 128), seed=3)
    for spec in (f"lvis:{tmp_path}/val", f"tfrecord:{tmp_path}/val"):
        read = get(spec)
        assert [c.name for c in read.categories] == [c.name for c in scenes.categories]
        assert [c.novel for c in read.categories] == [
            c.novel for c in scenes.categories
        ]
        for one, other in zip(read, scenes, strict=True):
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.masks, other.masks)
            np.testing.assert_array_equal(one.category_ids, other.category_ids)
            np.testing.assert_array_equal(one.negative_ids, other.negative_ids)
            np.testing.assert_allclose(one.boxes, other.boxes, rtol=2.4e-7)  # one ulp
    credits = (tmp_path / "val" / "CREDITS.md").read_text()
    assert "| plain | the developers | CC0-1.0 |" in credits
    assert "painted" not in credits


@pytest.mark.usefixtures("made")
def test_files_of_training_tell_nothing_of_what_is_held_out(tmp_path):
    command = [*COMMAND, "--out", str(tmp_path), "--size", "64", "--records"]
    assert main([*command, "--splits", "train:20,test-seen:20"]) == 0
    base = {c.id for c in Stickers("train").categories if c.base}
    scenes = Stickers("train:20", size=(64, 64))
    for spec in (f"lvis:{tmp_path}/train", f"tfrecord:{tmp_path}/train"):
        left_out = 0
        for one, other in zip(get(spec), scenes, strict=True):
            kept = np.isin(other.category_ids, [*base])
            left_out += (~kept).sum()
            np.testing.assert_array_equal(one.category_ids, other.category_ids[kept])
            np.testing.assert_array_equal(one.masks, other.masks[kept])
            np.testing.assert_array_equal(one.image, other.image)
            assert set(one.negative_ids) == base - set(other.category_ids)
        assert left_out > 5
    test = get(f"lvis:{tmp_path}/test-seen")
    assert {i for one in test for i in one.category_ids.tolist()} - base


@pytest.mark.usefixtures("made")
def test_going_on_where_it_stopped(tmp_path, capsys):
    command = [*COMMAND, "--out", str(tmp_path), "--size", "64", "--splits"]
    assert main([*command, "val:6"]) == 0
    folder = tmp_path / "val"
    before, whole = images(folder), (folder / "annotations.json").read_text()
    # As if it had been cut off: the json comes last.
    (folder / "annotations.json").unlink()
    gone = [*before][2]
    (folder / "images" / gone).unlink()
    assert main([*command, "val:6"]) == 0
    after = images(folder)
    assert [name for name in before if before[name] != after[name]] == [gone]
    assert (folder / "annotations.json").read_text() == whole
    assert main([*command, "val:6"]) == 0
    assert images(folder) == after
    assert main([*command, "val:7"]) == 1
    assert "holds other scenes" in capsys.readouterr().err
    assert json.loads(whole)["categories"][0]["frequency"] == "f"


@pytest.mark.parametrize("left", ["annotations.json", "images", "val-1.tfrecord"])
@pytest.mark.usefixtures("made")
def test_files_that_nobody_claims_are_not_taken_for_finished_work(
    left, tmp_path, capsys
):
    command = [*COMMAND, "--out", str(tmp_path), "--size", "64", "--splits", "val:2"]
    (tmp_path / "val" / left).mkdir(parents=True)
    assert main(command) == 1
    assert f"holds {left!r} but no 'stickers.json'" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "val").iterdir()] == [left]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--splits", "trin"], "The splits of stickers are train, val,"),
        (["--splits", "val:2,val"], "made once at a time"),
        (["--splits", "val:x", "--out", "a"], "received 'val:x'"),
        (["--splits", "val/oils"], "The styles of stickers are plain, named"),
        (["--records"], "--records needs --out"),
        (["--seed", "-1"], "The seed must be 0 to 4294967295"),
        (["--seed", "4294967296"], "The seed must be 0 to 4294967295"),
        (["--splits", "val:0"], "1 or more, if wanted"),
        (["--size", "20", "--out", "a"], "at least 64 pixels"),
        (["--workers", "0", "--out", "a"], "Workers must be 1"),
    ],
)
@pytest.mark.usefixtures("made")
def test_arguments_that_cannot_be_used(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "stickers", *arguments]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not [p for p in tmp_path.rglob("*") if p.name == "annotations.json"]


@pytest.mark.parametrize("arguments", [["--size", "20"], ["--workers", "0"]])
@pytest.mark.usefixtures("styles")
def test_what_cannot_be_is_told_before_anything_is_fetched(
    arguments, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("VILD_CACHE", str(tmp_path))
    assert main(["data", "stickers", *arguments]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("styles")
def test_a_missing_package_is_told_in_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("VILD_STICKERS_SOURCE", str(tmp_path))
    assert main(COMMAND) == 1
    said = capsys.readouterr().err
    assert "has no 'tiny-" in said
    assert said.count("\n") == 1
