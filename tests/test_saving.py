"""Detector directories: saved, opened again elsewhere, and damaged."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tiny import NAMES, photo, tiny_detector, tiny_model

import vild
from vild.backends import keras
from vild.errors import CheckpointError, InputError

FILES = [
    "README.md",
    "config.json",
    "model.weights.h5",
    "provenance.json",
    "vocabulary.npz",
]
BACKENDS = ["jax", "tensorflow", "torch"]


@pytest.fixture(scope="module")
def detector() -> vild.Detector:
    return tiny_detector(
        teacher="open_clip:ViT-B-32/openai",
        provenance={"recipe": "by hand", "metrics": {"AP": 0.5}},
        nms_iou=None,
        image_size=(128, 192),
    )


@pytest.fixture(scope="module")
def saved(detector: vild.Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "new" / "detector"
    detector.save(directory)
    return directory


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    directory = tmp_path / "detector"
    directory.mkdir()
    for path in saved.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    return directory


def assert_same(
    a: vild.Detections, b: vild.Detections, box: float = 0, score: float = 0
) -> None:
    assert a.class_names == b.class_names
    assert a.image_size == b.image_size
    np.testing.assert_allclose(a.boxes, b.boxes, rtol=0, atol=box)
    np.testing.assert_allclose(a.scores, b.scores, rtol=0, atol=score)
    np.testing.assert_allclose(a.embeddings, b.embeddings, rtol=0, atol=score)
    if a.masks is not None or b.masks is not None:
        assert (a.masks != b.masks).mean() <= score


def test_a_loaded_detector_is_the_saved_one(
    detector: vild.Detector, saved: Path
) -> None:
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert list(saved.parent.iterdir()) == [saved]
    loaded = vild.load_pretrained(saved)
    for new, old in zip(loaded.model.variables, detector.model.variables, strict=True):
        assert new.path == old.path
        np.testing.assert_array_equal(new.numpy(), old.numpy(), err_msg=new.path)
    assert loaded.settings == detector.settings
    assert loaded.teacher == detector.teacher
    assert loaded.provenance == detector.provenance
    new, old = loaded.own_vocabulary, detector.own_vocabulary
    assert new.synonyms == old.synonyms
    np.testing.assert_array_equal(new.embeddings, old.embeddings)
    np.testing.assert_array_equal(new.base, old.base)
    expected = detector.detect(photo())
    assert len(expected) > 3
    assert_same(loaded.detect(photo()), expected)


def test_no_weight_lies_where_an_older_keras_does_not_look(
    detector: vild.Detector, saved: Path
) -> None:
    """Before 3.15, layers in lists of lists are neither written nor read."""
    found = []
    with h5py.File(saved / "model.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                found.append(name) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert len(found) == len(detector.model.variables)
    assert not [name for name in found if "container" in name]


@pytest.mark.parametrize(
    "options",
    [
        {"ensemble": False},
        {"mask_convs": None},
        {"last_level": 5, "dtype": "float32"},
        {"temperature": 30.0},
    ],
    ids=["one branch", "no masks", "five levels", "a temperature"],
)
def test_every_part_of_the_configuration_is_kept(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    made = tiny_detector(model=tiny_model(seed=3, **options))
    made.save(tmp_path / "detector")
    loaded = vild.load_pretrained(str(tmp_path / "detector"))
    # Lists and tuples are the same once written down.
    configs = [json.dumps(d.model.get_config(), default=list) for d in (made, loaded)]
    assert configs[0] == configs[1]
    expected = made.detect(photo())
    assert len(expected) > 3
    assert (expected.masks is None) is (options.get("mask_convs", 1) is None)
    assert_same(loaded.detect(photo()), expected)


def test_settings_override_the_stored_ones(saved: Path) -> None:
    loaded = vild.load_pretrained(saved, max_detections=2, dtype="bfloat16")
    assert loaded.settings.max_detections == 2
    assert loaded.settings.nms_iou is None
    assert loaded.model.region.dtype_policy.compute_dtype == "bfloat16"
    assert {v.dtype for v in loaded.model.variables} == {"float32"}
    assert len(loaded.detect(photo())) == 2


def test_words_without_base_flags_are_saved_as_base_classes(tmp_path: Path) -> None:
    words = vild.Vocabulary(["a", "b"], np.eye(2, 16))
    vild.Detector(tiny_model(), words).save(tmp_path / "detector")
    assert vild.load_pretrained(tmp_path / "detector").own_vocabulary.base.all()


OTHERS = [name for name in BACKENDS if name != keras.backend.backend()]


@pytest.mark.parametrize("backend", [keras.backend.backend(), *OTHERS])
def test_another_process_finds_the_same(
    detector: vild.Detector, saved: Path, tmp_path: Path, backend: str
) -> None:
    """On the running backend, too: layer names count up within a process."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    np.save(tmp_path / "photo.npy", photo())
    code = f"""if True:
        import numpy as np
        import vild
        detector = vild.load_pretrained({str(saved)!r})
        found = detector.detect(np.load({str(tmp_path / "photo.npy")!r}))
        found.save({str(tmp_path / "found.npz")!r})
        from vild.backends import keras
        print(keras.backend.backend())
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend]
    expected = detector.detect(photo())
    assert len(expected) > 3
    found = vild.Detections.load(tmp_path / "found.npz")
    assert_same(found, expected, box=0.05, score=1e-3)


def test_an_older_detector_is_replaced(detector: vild.Detector, copied: Path) -> None:
    (copied / "provenance.json").write_text("older")
    detector.save(copied)
    assert sorted(path.name for path in copied.iterdir()) == FILES
    assert list(copied.parent.iterdir()) == [copied]
    assert vild.load_pretrained(copied).settings == detector.settings


def test_only_detectors_and_empty_folders_are_replaced(
    detector: vild.Detector, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("all of it")
    (tmp_path / "file").write_text("all of it")
    # Many tools write a file of that name.
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model": "theirs"}')
    # A detector that somebody has put more into.
    (tmp_path / "shared").mkdir()
    detector.save(tmp_path / "shared")
    (tmp_path / "shared" / "thesis.tex").write_text("all of it")
    for name in ("folder", "file", "foreign", "shared"):
        with pytest.raises(InputError, match="exists and is no detector directory"):
            detector.save(tmp_path / name)
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "all of it"
    assert (tmp_path / "file").read_text() == "all of it"
    assert (tmp_path / "shared" / "thesis.tex").read_text() == "all of it"
    (tmp_path / "empty").mkdir()
    detector.save(tmp_path / "empty")
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == FILES
    assert len(list(tmp_path.iterdir())) == 5


def test_saving_through_a_link_and_in_the_current_folder(
    detector: vild.Detector, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = copied.with_name("link")
    link.symlink_to(copied, target_is_directory=True)
    detector.save(link)
    assert link.is_symlink()
    assert sorted(path.name for path in copied.iterdir()) == FILES
    assert sorted(path.name for path in copied.parent.iterdir()) == ["detector", "link"]
    here = copied.with_name("here")
    here.mkdir()
    monkeypatch.chdir(here)
    detector.save(".")
    assert sorted(path.name for path in here.iterdir()) == FILES


def test_the_model_card_shows_the_way(saved: Path) -> None:
    card = (saved / "README.md").read_text("utf-8")
    assert "vild.load_pretrained(" in card
    assert f"{len(NAMES)}, of which 4 base" in card
    assert "open_clip:ViT-B-32/openai" in card
    assert "- recipe: by hand" in card


def test_a_checkpoint_goes_with_a_preset(saved: Path) -> None:
    with pytest.raises(InputError, match="checkpoint= goes with a preset"):
        vild.load_pretrained(saved, checkpoint=saved)


@pytest.mark.parametrize("name", [n for n in FILES if n != "README.md"])
def test_a_missing_file(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        vild.load_pretrained(copied)


@pytest.mark.parametrize("name", [n for n in FILES if n != "README.md"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"[1]", b"half"])
def test_a_damaged_file(copied: Path, name: str, content: bytes) -> None:
    path = copied / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(CheckpointError, match=name):
        vild.load_pretrained(copied)


def without_model(config: dict[str, Any]) -> None:
    del config["model"]


def newer(config: dict[str, Any]) -> None:
    config["format"] = 2


def odd_argument(config: dict[str, Any]) -> None:
    config["model"]["colour"] = "red"


def odd_value(config: dict[str, Any]) -> None:
    config["model"]["channels"] = "many"


def odd_backbone(config: dict[str, Any]) -> None:
    config["model"]["backbone"] = {"class_name": "Nothing", "config": {}}


def no_model(config: dict[str, Any]) -> None:
    config["model"] = [1, 2]


def odd_settings(config: dict[str, Any]) -> None:
    config["settings"] = "fast"


def unknown_setting(config: dict[str, Any]) -> None:
    config["settings"]["colour"] = "red"


def setting_out_of_range(config: dict[str, Any]) -> None:
    config["settings"]["nms_iou"] = 7


def unknown_dtype(config: dict[str, Any]) -> None:
    config["settings"]["dtype"] = "float7"


def another_space(config: dict[str, Any]) -> None:
    config["model"]["dim"] = 17


@pytest.mark.parametrize(
    "change",
    [
        without_model,
        newer,
        odd_argument,
        odd_value,
        odd_backbone,
        no_model,
        odd_settings,
        unknown_setting,
        setting_out_of_range,
        unknown_dtype,
        another_space,
    ],
)
def test_a_configuration_that_is_none(
    copied: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = copied / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="detector") as caught:
        vild.load_pretrained(copied)
    assert "\n" not in str(caught.value)


def test_parts_of_another_detector(copied: Path, tmp_path: Path) -> None:
    other = tiny_detector(model=tiny_model(channels=8))
    other.save(tmp_path / "other")
    weights = tmp_path / "other" / "model.weights.h5"
    (copied / weights.name).write_bytes(weights.read_bytes())
    with pytest.raises(CheckpointError, match=r"model\.weights\.h5"):
        vild.load_pretrained(copied)


def test_words_of_another_space(copied: Path) -> None:
    vild.Vocabulary(["a"], np.eye(1, 7)).save(copied / "vocabulary.npz")
    with pytest.raises(CheckpointError, match=r"vocabulary\.npz is damaged"):
        vild.load_pretrained(copied)


def test_flipped_bits_are_noticed(copied: Path) -> None:
    path = copied / "model.weights.h5"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="digest"):
        vild.load_pretrained(copied)


def test_weights_never_go_into_the_other_flavour(copied: Path) -> None:
    path = copied / "config.json"
    config = json.loads(path.read_text())
    config["model"]["ensemble"] = not config["model"]["ensemble"]
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="it was changed"):
        vild.load_pretrained(copied)


def test_a_wrong_setting_of_the_caller_is_no_damage(saved: Path) -> None:
    with pytest.raises(InputError, match="nms_iou must be above 0"):
        vild.load_pretrained(saved, nms_iou=7)


def test_kernels_in_half_precision(detector: vild.Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "whole")
    detector.save(tmp_path / "half", half=True)
    sizes = [
        (tmp_path / name / "model.weights.h5").stat().st_size
        for name in ("whole", "half")
    ]
    assert sizes[1] < 0.65 * sizes[0]
    loaded = vild.load_pretrained(tmp_path / "half")
    for one, other in zip(
        detector.model.variables, loaded.model.variables, strict=True
    ):
        ours, theirs = map(keras.ops.convert_to_numpy, (other, one))
        assert ours.dtype == theirs.dtype
        # Half precision keeps eleven bits; what is per channel is kept whole.
        exact = theirs.ndim < 2
        np.testing.assert_allclose(ours, theirs, rtol=0 if exact else 2**-11, atol=1e-7)
    assert len(loaded.detect(photo()))
