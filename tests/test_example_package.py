"""The example of a package with a teacher, installed as a stranger would install it.

It goes into a fresh environment. vild and what it needs are not installed there a
second time: a `.pth` file points to those of the environment that runs the tests.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from written_out import overlap

import vild
import vild.data.finding
from vild.cli import main

HERE = Path(__file__).parents[1]
EXAMPLE = HERE / "examples" / "vild_teacher_example"
DETECTOR = EXAMPLE / "detector"
PICTURE = EXAMPLE / "blocks.png"
# As make_detector.py draws them.
BLOCKS = {
    "purple": (30, 30, 90, 80),
    "red": (140, 24, 240, 84),
    "blue": (300, 40, 355, 140),
    "yellow": (50, 150, 180, 230),
    "green": (260, 210, 340, 255),
}


def run(*command: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the example in it."""
    folder = tmp_path_factory.mktemp("fresh")
    made = run(sys.executable, "-m", "venv", folder)
    if "ensurepip" in made.stdout + made.stderr:
        pytest.skip("this Python has no ensurepip to put pip into an environment")
    assert made.returncode == 0, made.stderr
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    quickly = ("--retries", "1", "--timeout", "15")
    installed = run(python, "-m", "pip", "install", "--no-deps", *quickly, EXAMPLE)
    if re.search("No matching distribution found for hatchling", installed.stderr):
        pytest.skip("pip finds no index with hatchling, which builds the example")
    assert installed.returncode == 0, installed.stderr
    packages = {p for p in sys.path if Path(p).name.endswith("-packages")}
    paths = [*sorted(packages), str(Path(vild.__file__).parents[1])]
    place = sysconfig.get_path("purelib", "venv", {"base": folder})
    (Path(place) / "tests_own.pth").write_text("\n".join(paths) + "\n")
    return python


def found(listing: str) -> dict[str, list[tuple[float, ...]]]:
    """Class -> boxes."""
    (about,) = json.loads(listing)
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for detection in about["detections"]:
        boxes.setdefault(detection["class"], []).append(detection["box"])
    return boxes


def assert_there(box: tuple[float, ...], colour: str) -> None:
    assert overlap(box, BLOCKS[colour]) > 0.5, (box, colour)


def test_the_plug_in_is_listed(python: Path) -> None:
    code = "import vild; print(vild.teachers.list())"
    listed = run(python, "-c", code)
    assert "'colours': 'vild-teacher-example'" in listed.stdout, listed.stderr
    assert "'shapes': 'vild'" in listed.stdout


def test_blocks_are_found_by_words_of_the_plug_in(python: Path, tmp_path: Path) -> None:
    command = [python, "-m", "vild", "detect", PICTURE, "--model", DETECTOR]
    command += ["--out", tmp_path, "--json", "-"]
    asked = ["--classes", "red thing,blue thing,yellow thing"]
    result = run(*command, "--teacher", "colours", *asked)
    assert result.returncode == 0, result.stderr
    assert "vild: warning" not in result.stderr
    boxes = found(result.stdout)
    assert sorted(boxes) == ["blue thing", "red thing", "yellow thing"]
    for name, (box,) in boxes.items():
        assert_there(box, name.split()[0])
    assert (tmp_path / "blocks.png").is_file()
    # The detector knows by itself which teacher it needs.
    result = run(*command, "--classes", "purple block")
    assert result.returncode == 0, result.stderr
    ((box,),) = found(result.stdout).values()
    assert_there(box, "purple")


def test_the_dataset_of_the_plug_in_is_found_by_name(
    python: Path, tmp_path: Path
) -> None:
    out = tmp_path / "blocks"
    result = run(python, "-m", "vild", "convert", "blocks:6", f"coco:{out}")
    assert result.returncode == 0, result.stderr
    told = json.loads((out / "annotations.json").read_text())
    assert len(told["images"]) == 6
    assert {c["name"] for c in told["categories"]} >= {"red block", "purple block"}
    # Pictures, boxes and masks say the same.
    dataset = vild.data.finding.get(f"coco:{out}")
    example = dataset[0]
    for mask, (x1, y1, x2, y2) in zip(example.masks, example.boxes, strict=True):
        assert mask.sum() == (x2 - x1) * (y2 - y1)
        assert (example.image[mask] != 128).any(axis=1).all()


def test_without_the_plug_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "colours" in vild.teachers.list():
        pytest.skip("the example is installed beside the tests")
    command = ["detect", str(PICTURE), "--model", str(DETECTOR)]
    command += ["--out", str(tmp_path), "--json", "-"]
    for teacher in ([], ["--teacher", "colours"]):
        assert main([*command, *teacher, "--classes", "red,blue thing"]) == 1
        error = capsys.readouterr().err
        assert "There is no teacher 'colours'" in error
        assert error.count("\n") == 1
    assert main([*command, "--classes", "green,red"]) == 0
    boxes = found(capsys.readouterr().out)
    assert sorted(boxes) == ["green", "red"]
    for name, (box,) in boxes.items():
        assert_there(box, name)


def test_the_detector_is_what_the_program_makes(python: Path, tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in DETECTOR.iterdir()) < 300_000
    made = run(python, EXAMPLE / "make_detector.py", tmp_path)
    assert made.returncode == 0, made.stderr
    old = vild.load_pretrained(DETECTOR)
    new = vild.load_pretrained(tmp_path / "detector")
    pairs = zip(new.model.variables, old.model.variables, strict=True)
    for a, b in pairs:
        assert a.path == b.path
        # Logarithms and means may differ in the last bit on another machine.
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, err_msg=a.path)
    assert new.own_vocabulary.names == old.own_vocabulary.names
    np.testing.assert_allclose(
        new.own_vocabulary.embeddings, old.own_vocabulary.embeddings, rtol=1e-6
    )
    assert new.settings == old.settings
    assert new.lexicon.recorded == old.lexicon.recorded
    pixels = [np.asarray(Image.open(p)) for p in (tmp_path / PICTURE.name, PICTURE)]
    np.testing.assert_array_equal(*pixels)


def test_the_lesson_shows_the_example() -> None:
    text = (HERE / "docs" / "write-a-teacher.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    module = (EXAMPLE / "vild_teacher_example.py").read_text(encoding="utf-8")
    assert ("python", module) in blocks
    (entry,) = [code for kind, code in blocks if kind == "toml"]
    assert entry in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
