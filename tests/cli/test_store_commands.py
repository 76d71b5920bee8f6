"""`vild proposals`, `vild embed`, `vild store` and the way to TFRecords."""

import json

import numpy as np
import pytest

from vild.cli import main
from vild.data.drawn_dataset import DrawnObjects
from vild.data.released_records import Records
from vild.data.stores import open_store

SCENES = "drawn:val:6"


def everything(path):
    return {p.name: p.read_bytes() for p in sorted(path.iterdir())}


@pytest.fixture
def boxes(tmp_path, capsys):
    """Ten boxes around and near each object."""
    rng = np.random.default_rng(0)
    entries = []
    for example in DrawnObjects("val:6"):
        for box in example.boxes:
            for score in np.linspace(1, 0.1, 10):
                x1, y1, x2, y2 = box + rng.normal(0, 5 * (1 - score), 4)
                entry = {"image_id": example.image_id, "score": score}
                side = [max(x2 - x1, 3), max(y2 - y1, 3)]
                entries.append(entry | {"bbox": [x1, y1, *side]})
    (tmp_path / "boxes.json").write_text(json.dumps(entries))
    command = ["proposals", str(tmp_path / "boxes.json"), SCENES]
    out = ["--out", str(tmp_path / "boxes"), "--nms-iou", "0.95"]
    assert main([*command, *out, "--json", str(tmp_path / "recall.json")]) == 0
    said = capsys.readouterr().out
    assert "images of drawn:val are in" in said
    assert "No image has more than 300 boxes." in said
    recall = json.loads((tmp_path / "recall.json").read_text())
    assert recall["base"]["AR@300"] == recall["base"]["AR@1000"] == 1
    assert f"all    AR@100 {100 * recall['all']['AR@100']:.1f}" in said
    return str(tmp_path / "boxes")


def embed(boxes, out, *more):
    command = ["embed", SCENES, "--proposals", boxes, "--teacher", "shapes"]
    return main([*command, "--out", str(out), "--images-per-shard", "2", *more])


def test_the_road_to_records(tmp_path, boxes, capsys):
    assert embed(boxes, tmp_path / "s", "--workers", "2") == 0
    store = open_store(tmp_path / "s")
    said = capsys.readouterr().out
    assert f"{store.counts.sum()} boxes of 6 images of drawn:val are embedded" in said
    records = f"tfrecord:{tmp_path}/r"
    assert main(["convert", SCENES, records, "--regions", str(tmp_path / "s")]) == 0
    for example in Records(tmp_path / "r"):
        boxes_there, scores, features = store[example.image_id]
        # Shares of a side in float32, there and back.
        np.testing.assert_allclose(example.roi_boxes, boxes_there, rtol=3e-7)
        np.testing.assert_array_equal(example.roi_scores, scores)
        np.testing.assert_array_equal(example.roi_features, features)


def test_info(tmp_path, boxes, capsys):
    embed(boxes, tmp_path / "s")
    capsys.readouterr()
    assert main(["store", "info", str(tmp_path / "s")]) == 0
    said = capsys.readouterr().out
    for line in ("kind                  embeddings", "teacher               dim 64"):
        assert line in said
    assert main(["store", "info", boxes, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["header"]["kind"] == "proposals"
    assert facts["images"] == 6
    assert facts["failed"] == facts["missing_shards"] == 0
    assert facts["bytes"] > 0
    assert main(["store", "info", str(tmp_path)]) == 1
    assert "is no store" in capsys.readouterr().err


def test_verify(tmp_path, boxes, capsys):
    embed(boxes, tmp_path / "s")
    capsys.readouterr()
    assert main(["store", "verify", str(tmp_path / "s")]) == 0
    assert "6 images (0 failed)" in (said := capsys.readouterr().out)
    assert "all is well" in said
    first, second, third = sorted((tmp_path / "s").glob("shard*"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:-1])
    third.unlink()
    assert main(["store", "verify", str(tmp_path / "s")]) == 1
    said = capsys.readouterr()
    assert "3 problems" in said.out
    lines = said.err.splitlines()
    assert "do not have their checksum" in lines[0]
    assert "bytes expected" in lines[1]
    assert "is missing" in lines[2]


def test_merge(tmp_path, boxes, capsys):
    embed(boxes, tmp_path / "whole")
    parts = [str(tmp_path / f"part{i}") for i in range(2)]
    for index, part in enumerate(parts):
        embed(boxes, part, "--part", f"{index}/2")
    capsys.readouterr()
    assert main(["store", "merge", parts[0], "--out", str(tmp_path / "m")]) == 0
    said = capsys.readouterr()
    assert "4 of 6 images are in" in said.out
    assert "1 of 3 shards are in none of the parts" in said.err
    assert main(["store", "merge", *parts, "--out", str(tmp_path / "m")]) == 0
    assert "6 of 6 images are in" in capsys.readouterr().out
    assert everything(tmp_path / "m") == everything(tmp_path / "whole")
    assert main(["store", "merge", *parts, "--out", parts[1]]) == 0
    assert everything(tmp_path / "part1") == everything(tmp_path / "whole")


def test_stores_that_are_no_parts_of_one(tmp_path, boxes, capsys):
    embed(boxes, tmp_path / "a")
    embed(boxes, tmp_path / "b", "--dtype", "float32")
    out = str(tmp_path / "c")
    arguments = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["store", "merge", *arguments, "--out", out]) == 1
    assert "no parts of one store (dtype is float16, not float32)" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "c").exists()


def test_a_damaged_part_is_not_merged(tmp_path, boxes, capsys):
    embed(boxes, tmp_path / "a")
    first = min((tmp_path / "a").glob("shard*"))
    content = bytearray(first.read_bytes())
    content[-9000] ^= 4
    first.write_bytes(content)
    arguments = ["store", "merge", str(tmp_path / "a"), "--out", str(tmp_path / "m")]
    assert main(arguments) == 1
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--teacher", "sculptures"], "no teacher 'sculptures'"),
        (["--dtype", "int8"], "received 'int8'"),
        (["--encode-dtype", "float16"], "in one way only"),
        (["--proposals", "nothing"], "'nothing' is no store"),
    ],
)
def test_arguments_that_cannot_be_used(tmp_path, boxes, capsys, arguments, said):
    assert embed(boxes, tmp_path / "s", *arguments) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_recall_that_nobody_asked_for(tmp_path, boxes, capsys):
    command = ["proposals", boxes + ".json", SCENES, "--out", str(tmp_path / "p")]
    assert main([*command, "--no-recall", "--json", "x"]) == 1
    assert "--json writes the recall" in capsys.readouterr().err
    assert main([*command, "--no-recall"]) == 0
    assert "AR@" not in capsys.readouterr().out
    assert main([*command[:2], "coco:nothing", *command[3:]]) == 1


@pytest.mark.parametrize("text", ["1", "4/4", "-1/2", "a/b", "1/"])
def test_parts_that_are_none(boxes, tmp_path, text):
    with pytest.raises(SystemExit):
        embed(boxes, tmp_path / "s", f"--part={text}")
