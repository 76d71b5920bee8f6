"""`vild convert`, on made pictures and on the tiny reference set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vild
from vild.cli import main
from vild.data.dataset import check_dataset
from vild.data.finding import get

pytestmark = pytest.mark.numpy

SQUARE = [[4, 2, 12, 2, 12, 10, 4, 10]]


def made(folder, crowd=1, frequency=None):
    """A folder in COCO's form: three images, four objects."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in (7, 9, 40):
        pixels = np.full((20, 30, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        images.append(
            {"id": number, "height": 20, "width": 30, "file_name": f"{number}.png"}
        )
    runs = {"size": [20, 30], "counts": [100, 50, 450]}
    for image_id, mask, flag in [
        (7, SQUARE, 0),
        (7, [*SQUARE, [1.25, 1, 6.5, 1, 3, 7]], 0),
        (40, runs, crowd),
        (40, SQUARE, 0),
    ]:
        annotations.append(
            {
                "image_id": image_id,
                "category_id": 3,
                "bbox": [4.1, 2, 8, 8],
                "area": 60.5,
                "iscrowd": flag,
                "segmentation": mask,
            }
        )
    category = {"id": 3, "name": "cat"}
    if frequency:
        category |= {"frequency": frequency, "synonyms": ["cat", "kitty"]}
    whole = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "annotations.json").write_text(json.dumps(whole))
    return folder


def assert_same(received, expected, boxes=0.0):
    assert len(received) == len(expected)
    assert received.categories == expected.categories
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=boxes)
        assert one.picture.encoded() == other.picture.encoded()
        assert (one.image_id, one.size) == (other.image_id, other.size)
        for name in ("masks", "crowd", "areas", "category_ids", "negative_ids"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.not_exhaustive_ids, other.not_exhaustive_ids)
        assert one.file_name == other.file_name


@pytest.mark.parametrize("workers", [1, 2])
def test_there_and_back(tmp_path, capsys, workers):
    source = made(tmp_path / "a")
    flags = ["--workers", str(workers)]
    records = f"tfrecord:{tmp_path}/b"
    assert main(["convert", f"coco:{source}", records, "--shards", "2", *flags]) == 0
    said = capsys.readouterr().out
    assert (
        said
        == f"3 images of annotations are in 2 files data-*.tfrecord in {tmp_path}/b\n"
    )
    assert main(["convert", records, f"coco:{tmp_path}/c", *flags]) == 0
    assert main(["convert", f"coco:{source}", f"coco:{tmp_path}/d", *flags]) == 0
    first = get(f"coco:{source}")
    assert_same(check_dataset(get(records)), first, boxes=2.4e-7)
    assert_same(check_dataset(get(f"coco:{tmp_path}/c")), first, boxes=2.4e-7)
    assert_same(check_dataset(get(f"coco:{tmp_path}/d")), first)
    whole = json.loads((tmp_path / "d" / "annotations.json").read_text())
    assert [entry["id"] for entry in whole["annotations"]] == [1, 2, 3, 4]
    assert whole["annotations"][0]["segmentation"] == SQUARE
    assert isinstance(whole["annotations"][2]["segmentation"]["counts"], str)


def test_lvis_there_and_back(tmp_path, reference, capsys):
    tiny = f"lvis:{reference}/lvis_tiny"
    assert main(["convert", tiny, f"tfrecord:{tmp_path}/a", "--split", "val"]) == 0
    said = capsys.readouterr()
    assert "1 have no area" in said.err
    assert main(["convert", f"tfrecord:{tmp_path}/a", f"lvis:{tmp_path}/b"]) == 0
    assert not capsys.readouterr().err
    released = get(f"tfrecord:{reference}/lvis_tiny")
    ours = check_dataset(get(f"lvis:{tmp_path}/b"))
    assert (tmp_path / "b/images/val2017/000000007088.jpg").is_file()
    assert [c.frequency for c in ours.categories][:3] == ["r", "c", "f"]
    for one, other in zip(ours, released, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=2.4e-7)
        np.testing.assert_array_equal(one.negative_ids, other.negative_ids)


def test_pycocotools_reads_what_we_write(tmp_path):
    from pycocotools.coco import COCO

    source = made(tmp_path / "a")
    main(["convert", f"coco:{source}", f"coco:{tmp_path}/b", "--workers", "1"])
    api = COCO(str(tmp_path / "b" / "annotations.json"))
    ours = get(f"coco:{source}")
    assert api.getImgIds() == [7, 9, 40]
    for example in ours:
        entries = api.loadAnns(api.getAnnIds(imgIds=example.image_id))
        assert [e["iscrowd"] for e in entries] == example.crowd.tolist()
        for mask, entry in zip(example.masks, entries, strict=True):
            np.testing.assert_array_equal(mask, api.annToMask(entry).astype(bool))


def test_what_a_form_has_no_place_for(tmp_path, capsys):
    source = made(tmp_path / "a", frequency="f")
    assert main(["convert", f"coco:{source}", f"lvis:{tmp_path}/b"]) == 0
    assert (
        "1 objects are crowds, which lvis has no place for" in capsys.readouterr().err
    )
    assert [len(e) for e in get(f"lvis:{tmp_path}/b")] == [2, 0, 1]
    source = made(tmp_path / "c")
    assert main(["convert", f"coco:{source}", f"lvis:{tmp_path}/d"]) == 1
    assert "'cat' has no frequency, which LVIS needs" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_going_on_and_not_overwriting(tmp_path, capsys):
    source = made(tmp_path / "a")
    command = ["convert", f"coco:{source}", f"tfrecord:{tmp_path}/b", "--shards", "3"]
    assert main(command) == 0
    second = tmp_path / "b" / "data-00001-of-00003.tfrecord"
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "b").iterdir()}
    second.unlink()
    assert main(command) == 0
    again = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "b").iterdir()}
    assert [n for n in times if times[n] != again[n]] == [second.name]
    assert main([*command[:-1], "2"]) == 1
    assert "holds 'data' already" in capsys.readouterr().err
    assert main(["convert", f"coco:{source}", f"coco:{source}"]) == 1
    assert "is there already" in capsys.readouterr().err


def test_missing_images(tmp_path, capsys):
    source = made(tmp_path / "a")
    (source / "images" / "9.png").unlink()
    for kind in ("tfrecord", "coco"):
        target = tmp_path / kind
        for workers in ("1", "2"):
            command = ["convert", f"coco:{source}", f"{kind}:{target}"]
            command += ["--workers", workers]
            assert main(command) == 1
            assert "9.png' is not there" in capsys.readouterr().err
            left = [p.name for p in target.rglob("*") if p.is_file()]
            assert not [name for name in left if name.startswith(".")]
            assert "annotations.json" not in left
    command[2] = f"coco:{tmp_path}/c"
    assert main([*command, "--skip-missing"]) == 0
    assert capsys.readouterr().out.startswith("2 images")
    command[1] = f"tfrecord:{tmp_path}/tfrecord"
    assert main([*command, "--skip-missing"]) == 1
    assert "'tfrecord' has no setting 'missing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coco:{a}", "b"], "must be coco:FOLDER, lvis:FOLDER, tfrecord:FOLDER"),
        (["coco:{a}", "tfrecord:"], "must be coco:FOLDER"),
        (["coco:{a}", "voc:b"], "received 'voc:b'"),
        (
            ["coco:{a}", "coco:b", "--shards", "2"],
            "--split and --regions are",
        ),
        (["coco:{a}", "tfrecord:b", "--workers", "0"], "Workers must be 1"),
        (["coco:{a}", "tfrecord:b", "--shards", "-1"], "Shards must be 1"),
        (["coco:{a}", "tfrecord:b", "--split", "x/y"], "plain name"),
        (["yolo:{a}", "tfrecord:b"], "no dataset 'yolo'"),
        (["{a}", "tfrecord:b"], "no dataset '/"),
        (["lvis:{a}", "tfrecord:b"], "read it as coco"),
        (["coco:{a}/gone.json", "tfrecord:b"], "cannot be read"),
    ],
)
def test_arguments_that_cannot_be_used(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    source = made(tmp_path / "a")
    filled = [argument.format(a=source) for argument in arguments]
    assert main(["convert", *filled]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_no_framework_is_loaded(tmp_path):
    source = made(tmp_path / "a")
    code = (
        "import sys; from vild.cli import main\n"
        "main(sys.argv[1:])\n"
        "print(sorted({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    arguments = ["convert", f"coco:{source}", f"tfrecord:{tmp_path}/b"]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--workers", "2", "--shards", "2"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(vild.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
            ),
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
