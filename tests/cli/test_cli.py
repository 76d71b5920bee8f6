"""The command as it is used; a tiny detector with random weights does the looking."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vild
from vild.cli import main
from vild.cli.main import _show_warning
from vild.cli.output import picture_paths
from vild.data.rle import encode_rle

COMMAND = [sys.executable, "-m", "vild"]
# The tests run in a folder of their own, whether vild is installed or not.
HERE = {"PYTHONPATH": str(Path(vild.__file__).parents[1])}
FRAMEWORKS = ("keras", "jax", "torch", "tensorflow")


def vild_process(
    *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **HERE, **environment},
        timeout=300,
    )


def python_process(code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **HERE},
    )
    assert result.returncode == 0, result.stderr


def make_photo(path: Path, size: tuple[int, int] = (96, 64), seed: int = 0) -> Path:
    """A photo of (width, height): coarse noise, so that there is something in it."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size).save(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from vild.backbones.resnet import resnet
    from vild.backends import keras
    from vild.detector import Detector
    from vild.model import ViLD

    keras.utils.set_random_seed(0)
    network = ViLD(
        resnet(blocks=(1, 1, 1, 1), width=8),
        channels=16,
        region_convs=1,
        region_units=(32,),
        dim=16,
        mask_convs=1,
    )
    words = vild.Vocabulary(
        ["red thing", "blue thing", ["sofa", "couch"]],
        np.random.default_rng(0).normal(size=(3, 16)),
        [True, True, False],
    )
    directory = tmp_path_factory.mktemp("model") / "tiny"
    Detector(
        network,
        words,
        image_size=128,
        num_proposals=20,
        score_threshold=0.0,
        max_detections=5,
    ).save(directory)
    return directory


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def same_content(listed: dict, found: vild.Detections) -> bool:
    masks = found.masks
    assert masks is not None
    height, width = found.image_size
    assert (listed["width"], listed["height"]) == (width, height)
    assert [d["class"] for d in listed["detections"]] == found.class_names
    assert [d["class_id"] for d in listed["detections"]] == found.class_ids.tolist()
    np.testing.assert_allclose(
        [d["score"] for d in listed["detections"]], found.scores, rtol=1e-5
    )
    np.testing.assert_allclose(
        [d["box"] for d in listed["detections"]], found.boxes, rtol=1e-4, atol=1e-3
    )
    runs = [encode_rle(mask) for mask in masks]
    return [d["segmentation"] for d in listed["detections"]] == runs


# Answers without a model.


@pytest.mark.parametrize(
    "statement",
    [
        "import vild",
        "import vild.cli.main",
        "import vild.cli as c; c.main(['models'])",
        "import vild.cli as c\ntry: c.main(['detect', '--help'])\n"
        "except SystemExit: pass",
    ],
)
def test_no_framework_is_loaded(statement: str) -> None:
    check = f"import sys; loaded = [m for m in {FRAMEWORKS} if m in sys.modules]"
    code = f"{statement}\n{check}\nassert not loaded, loaded"
    python_process(code)


def test_help_needs_neither_numpy_nor_pillow() -> None:
    code = (
        "import sys\nfrom vild.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'numpy', 'PIL', 'tqdm'} & set(sys.modules)"
    )
    python_process(code)


def test_help_names_the_default_model(capsys: pytest.CaptureFixture[str]) -> None:
    from vild.presets import DEFAULT_PRESET

    with pytest.raises(SystemExit) as end:
        main(["detect", "--help"])
    assert end.value.code == 0
    assert f"(default: {DEFAULT_PRESET}, which comes with vild" in " ".join(
        capsys.readouterr().out.split()
    )


def test_version() -> None:
    result = vild_process("--version")
    assert (result.returncode, result.stdout) == (0, f"vild {vild.__version__}\n")
    assert result.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["detect", "a.jpg", "--image-size", "big"],
        ["detect", "a.jpg", "--image-size", "64x64x3"],
        ["detect", "a.jpg", "--nms-iou", "some"],
        ["detect", "a.jpg", "--batch-size", "0"],
        ["detect", "a.jpg", "--score", "0.5"],
    ],
)
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error: " in printed.err


def test_models_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for preset, line in zip(vild.list_models(), lines[1:], strict=False):
        name, size, data, *numbers = re.split(" {2,}", line)
        assert (name, size, data) == (
            preset.name,
            f"{preset.parameters:.1f} M",
            preset.data,
        )
        if preset.published:
            published = [preset.published[key] for key in ("APr", "APc", "APf", "AP")]
            assert [float(cell) for cell in numbers[:4]] == published
        else:
            assert numbers[:4] == ["-"] * 4
        assert ("not measured" in line) == (preset.measured is None)
        assert line.endswith(preset.description)


def test_models_knows_what_is_downloaded(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VILD_CACHE", str(tmp_path))
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "r152").symlink_to(model)
    assert len(vild.load_pretrained("r152").own_vocabulary) == 3
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    here = [about["name"] for about in listed if about["downloaded"]]
    assert here == ["stickers", "r152"]
    assert [about["measured"] for about in listed[1:]] == [None] * 4
    assert listed[1]["published"]["APr"] == 16.6


def test_closed_pipe_is_quiet() -> None:
    # Unbuffered, argparse itself keeps silent about a lost help text.
    for arguments, codes in ((["models"], {141}), (["--help"], {141, 0})):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as closed:
            result = subprocess.run(
                [*COMMAND, *arguments],
                stdout=closed,
                stderr=subprocess.PIPE,
                env={**os.environ, **HERE},
            )
        assert result.returncode in codes
        assert result.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_interrupt_is_quiet(tmp_path: Path) -> None:
    fifo = tmp_path / "classes"
    os.mkfifo(fifo)
    command = [*COMMAND, "detect", "a.jpg", "--classes", f"@{fifo}"]
    environment = {**os.environ, **HERE}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        opened = None
        while opened is None:
            assert process.poll() is None, process.stderr.read()
            # Fails until the command has opened it, which then waits for a word.
            with contextlib.suppress(OSError):
                opened = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        os.close(opened)
        assert process.stderr.read() == b""


def test_missing_backend_is_one_sentence(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    result = vild_process("detect", photo, KERAS_BACKEND="abacus")
    assert result.returncode == 1
    assert result.stderr.startswith("vild: error: vild runs on ")
    assert result.stderr.count("\n") == 1


# Refusals, before a model is loaded: there is none of this name.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--score-threshold", "1.5"], "score_threshold must be"),
        (["--score-threshold", "nan"], "score_threshold must be"),
        (["--image-size", "0"], "image_size must be"),
        (["--image-size", "64x0"], "image_size must be"),
        (["--nms-iou", "0"], "nms_iou must be"),
        (["--max-detections", "-1"], "max_detections must be"),
        (["--dtype", "int8"], "dtype must be"),
        (["--classes", "cat,,dog"], "class name is empty"),
        (["--classes", "cat,Cat"], "'Cat' is there twice"),
        (["--classes", "@none.txt"], "'none.txt' cannot be read"),
        (["--classes", "@a.jpg"], "is not UTF-8"),
        (["--out", "a.jpg"], "is a file"),
        (["--json", "."], "is a folder"),
        (["--json", "./a.jpg"], "is one of the photos"),
    ],
)
def test_refused_before_loading(
    options: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_photo(tmp_path / "a.jpg")
    assert main(["detect", "a.jpg", "--model", "no such model", *options]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("vild: error: ")
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        ("none.jpg", "does not exist"),
        ("*.webp", "No file matches"),
        ("empty", "holds no pictures"),
        ("text.jpg", "is not a picture"),
    ],
)
def test_no_usable_photo(
    photo: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.jpg").write_text("no picture")
    assert main(["detect", photo, "--model", "no such model"]) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_unknown_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_photo(tmp_path / "a.jpg")
    assert main(["detect", "a.jpg", "--model", "r51"]) == 1
    assert "the presets are stickers, r50, r50-ensemble" in capsys.readouterr().err


# Looking.


def test_table_picture_and_json(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = make_photo(tmp_path / "room.jpg", (120, 90))
    command = ["detect", "room.jpg", "--model", str(model), "--json", "out/found.json"]
    assert main(command) == 0
    found = vild.load_pretrained(model).detect(photo)
    assert len(found) == 5

    printed = capsys.readouterr()
    assert printed.err == ""
    heading, table = printed.out.split("\n", 1)
    picture = Path("detections", "room.jpg")
    assert heading.startswith(f"room.jpg: 5 detections, drawn in {picture} (")
    assert table == found.table() + "\n"

    with Image.open(picture) as drawn:
        assert (drawn.format, drawn.size) == ("JPEG", (120, 90))
        written = np.asarray(drawn).astype(int)
    assert np.abs(written - np.asarray(Image.open(photo))).max() > 50
    found.draw(photo).save("expected.jpg", quality=95)
    expected = np.asarray(Image.open("expected.jpg")).astype(int)
    assert np.abs(written - expected).mean() < 0.5
    Path("expected.jpg").unlink()

    (listed,) = json.loads(Path("out/found.json").read_text())
    assert listed["image"] == "room.jpg"
    assert same_content(listed, found)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        "detections",
        str(picture),
        "out",
        str(Path("out", "found.json")),
        "room.jpg",
    ]


def test_as_a_process_with_json_on_stdout(model: Path, tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "room.png")
    result = vild_process("detect", photo, "--model", model, "--json", "-")
    assert result.returncode == 0, result.stderr
    (listed,) = json.loads(result.stdout)
    assert same_content(listed, vild.load_pretrained(model).detect(photo))
    assert "5 detections, drawn in" in result.stderr
    with Image.open(tmp_path / "detections" / "room.png") as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (96, 64))


@pytest.mark.once
def test_settings_reach_the_detector(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = make_photo(tmp_path / "room.jpg")
    settings = {
        "image_size": (64, 128),
        "pre_nms_proposals": 50,
        "num_proposals": 12,
        "pre_nms_detections": 7,
        "max_detections": 4,
        "nms_iou": None,
        "score_threshold": 0.01,
    }
    options = "--image-size 64x128 --pre-nms-proposals 50 --num-proposals 12"
    options += " --pre-nms-detections 7 --max-detections 4 --nms-iou none"
    options += " --score-threshold 0.01 --no-masks --dtype float32 --json -"
    assert main(["detect", "room.jpg", "--model", str(model), *options.split()]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    found = vild.load_pretrained(model).detect(photo, masks=False, **settings)
    assert [d["class"] for d in listed["detections"]] == found.class_names
    np.testing.assert_allclose(
        [d["score"] for d in listed["detections"]], found.scores, rtol=1e-5
    )
    assert all("segmentation" not in d for d in listed["detections"])


@pytest.mark.once
@pytest.mark.parametrize("as_file", [False, True])
def test_classes_and_synonyms(
    as_file: bool, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = make_photo(tmp_path / "room.jpg")
    classes = "couch|sofa, Blue thing"
    if as_file:
        text = "couch | sofa\n\nBlue thing\n"
        (tmp_path / "words.txt").write_text(text, encoding="utf-8-sig")
        classes = "@words.txt"
    command = ["detect", "room.jpg", "--model", str(model), "--classes", classes]
    assert main([*command, "--json", "-"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    words = [["couch", "sofa"], "Blue thing"]
    found = vild.load_pretrained(model).detect(photo, words)
    assert set(found.class_names) <= {"couch", "Blue thing"}
    assert same_content(listed, found)


def test_unknown_class(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photo(tmp_path / "room.jpg")
    command = ["detect", "room.jpg", "--model", str(model), "--classes", "sofa,unicorn"]
    assert main([*command, "--json", "found.json"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("vild: error: 'unicorn': not among the 3 classes")
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["room.jpg"]


@pytest.mark.once
@pytest.mark.parametrize("batch_size", ["1", "2", "8"])
def test_bad_photos_among_good_ones(
    batch_size: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [make_photo(tmp_path / f"{i}.png", seed=i) for i in range(5)]
    whole = photos[1].read_bytes()
    photos[1].write_bytes(whole[: len(whole) // 2])
    command = ["detect", *map(str, photos), "missing.jpg", "--model", str(model)]
    command += ["--batch-size", batch_size, "--json", "found.json"]
    assert main(command) == 1

    printed = capsys.readouterr()
    missing, cut = printed.err.splitlines()
    assert missing.startswith("vild: error: the image 'missing.jpg' does not exist")
    assert "1.png" in cut
    assert "damaged" in cut
    good = [photos[i] for i in (0, 2, 3, 4)]
    headings = [line for line in printed.out.splitlines() if "drawn in" in line]
    assert [line.split(": ")[0] for line in headings] == [str(path) for path in good]
    drawn = sorted(path.name for path in Path("detections").iterdir())
    assert drawn == [path.name for path in good]

    listed = json.loads(Path("found.json").read_text())
    assert [about["image"] for about in listed] == [str(path) for path in good]
    found = vild.load_pretrained(model).detect(good, batch_size=int(batch_size))
    for one, other in zip(listed, found, strict=True):
        assert same_content(one, other)


def test_only_damaged_photos_leave_an_empty_list(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = make_photo(tmp_path / "cut.png")
    photo.write_bytes(photo.read_bytes()[:200])
    assert main(["detect", "cut.png", "--model", str(model), "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.once
def test_folders_and_patterns(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b.jpg", "a.PNG", "._b.jpg", "inner/c.jpg", "other/d.jpg"):
        make_photo(tmp_path / "album" / name)
    (tmp_path / "album" / "notes.txt").write_text("no picture")
    # The folder's photos, one of them again, and those of a pattern.
    arguments = ["album", str(Path("album", "b.jpg")), str(Path("album", "o*", "*"))]
    assert main(["detect", *arguments, "--model", str(model), "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    expected = [Path("album", name) for name in ("a.PNG", "b.jpg", "other/d.jpg")]
    assert [Path(about["image"]) for about in listed] == expected


@pytest.mark.once
def test_a_file_with_a_pattern_for_a_name(model: Path, tmp_path: Path) -> None:
    make_photo(tmp_path / "a[1].jpg")
    assert main(["detect", "a[1].jpg", "--model", str(model)]) == 0
    assert Path("detections", "a[1].jpg").exists()


@pytest.mark.once
def test_photos_of_the_same_name(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["x/a.jpg", "y/a.webp", "y/a.png", "z/A.jpg", "a-2.jpg"]
    for seed, name in enumerate(names):
        make_photo(tmp_path / name, (40 + seed, 40), seed)
    assert main(["detect", *names, "--model", str(model)]) == 0
    widths = {p.name: Image.open(p).width for p in Path("detections").iterdir()}
    assert widths == {
        "a.jpg": 40,
        "a-2.jpg": 41,
        "a.png": 42,
        "A-3.jpg": 43,  # a file system may take a-2.jpg and A-2.jpg for the same
        "a-2-2.jpg": 44,
    }


@pytest.mark.once
def test_photos_are_never_overwritten(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [make_photo(tmp_path / n) for n in ("a.jpg", "b.png", "c.webp", "c.jpg")]
    before = {path: path.read_bytes() for path in photos}
    # c.jpg lies there too, but is not asked about.
    command = ["detect", "a.jpg", "b.png", "c.webp", "--model", str(model)]
    assert main([*command, "--out", "."]) == 0
    assert {path: path.read_bytes() for path in photos} == before
    names = {path.name for path in tmp_path.iterdir()} - {p.name for p in photos}
    assert names == {"a-2.jpg", "b-2.png", "c-2.jpg"}


def test_photos_behind_links_are_never_overwritten(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "album" / "a.jpg")
    (tmp_path / "link.jpg").symlink_to(photo)
    (tmp_path / "out").symlink_to(tmp_path / "album")
    links = [tmp_path / "link.jpg", photo]
    names = [path.name for path in picture_paths(links, tmp_path / "out")]
    assert names == ["link.jpg", "a-2.jpg"]


@pytest.mark.once
def test_pictures_of_an_earlier_run_are_replaced(model: Path, tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    command = ["detect", "a.jpg", "--model", str(model)]
    assert main(command) == 0
    first = Path("detections", "a.jpg").read_bytes()
    assert main([*command, "--max-detections", "1"]) == 0
    assert Path("detections", "a.jpg").read_bytes() != first
    assert len(list(Path("detections").iterdir())) == 1


@pytest.mark.once
def test_a_folder_that_cannot_be_made(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photo(tmp_path / "a.jpg")
    for option, target in (("--out", "a.jpg/out"), ("--json", "a.jpg/found.json")):
        assert main(["detect", "a.jpg", "--model", str(model), option, target]) == 1
        printed = capsys.readouterr()
        assert "cannot be written" in printed.err
        assert printed.err.count("\n") == 1


def test_warnings_of_vild_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show_warning
        warnings.warn_explicit("all is\n well", UserWarning, vild.__file__, 1)
        warnings.warn_explicit("chatter", UserWarning, np.__file__, 1)
    assert capsys.readouterr().err == "vild: warning: all is well\n"


# Words that the model has no vectors for.


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.npz"
    rows = np.random.default_rng(3).normal(size=(2, 16))
    vild.Vocabulary(["zebra", "red scooter"], rows).save(path)
    return path


@pytest.mark.once
def test_a_teacher_knows_other_words(
    model: Path, words: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photo(Path("a.png"))
    asked = ["detect", "a.png", "--model", str(model), "--classes", "zebra,red thing"]
    assert main(asked) == 1
    assert "'zebra': not among the 3 classes" in capsys.readouterr().err
    teacher = ["--teacher", f"precomputed:{words}"]
    assert main([*asked, *teacher, "--json", "a.json"]) == 0
    printed = capsys.readouterr()
    assert "the two spaces must match" in printed.err
    (listed,) = json.loads(Path("a.json").read_text())
    with pytest.warns(UserWarning, match="must match"):
        detector = vild.load_pretrained(model, teacher=teacher[1])
    assert same_content(listed, detector.detect("a.png", ["zebra", "red thing"]))
    # With templates, all words are asked of the teacher; it does not know this one.
    assert main([*asked, *teacher, "--templates", "name"]) == 1
    assert "'red thing'" in capsys.readouterr().err


@pytest.mark.once
def test_a_saved_vocabulary_is_asked(model: Path, words: Path) -> None:
    make_photo(Path("a.png"))
    arguments = ["a.png", "--model", str(model), "--classes", f"@{words}"]
    assert main(["detect", *arguments, "--json", "a.json"]) == 0
    (listed,) = json.loads(Path("a.json").read_text())
    assert {d["class"] for d in listed["detections"]} <= {"zebra", "red scooter"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--teacher", "clap:x"], "no teacher 'clap'; installed are open_clip"),
        (["--teacher", "precomputed:no.npz"], "There is no file no.npz"),
        (["--templates", "vlid"], "no set of templates 'vlid'"),
        (["--templates", "@own.txt"], "has no slot for the name"),
        (["--templates", "@gone.txt"], "cannot be read"),
        (["--templates", "single"], "templates need a teacher"),
        (["--classes", "@bytes.txt"], "is not UTF-8 text"),
        (["--classes", "@gone.npz"], "There is no vocabulary file"),
        (["--classes", "@junk.npz"], "not a vocabulary file"),
    ],
)
def test_words_that_cannot_be_used(
    model: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_photo(Path("a.png"))
    Path("own.txt").write_text("a photo of {}\na photo of nothing\n")
    Path("bytes.txt").write_bytes(b"caf\xe9\n")
    Path("junk.npz").write_bytes(b"PK\x03\x04 and nothing more")
    assert main(["detect", "a.png", "--model", str(model), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
