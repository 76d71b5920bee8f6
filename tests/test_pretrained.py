"""Released presets, from a mirror on this machine that has their layout."""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from bundle_writer import DTYPES, HEADER, encode_entry, masked_crc, write_table
from mirror import (
    PREFIX,
    Server,
    make_archive,
    random_arrays,
    serve,
    write_checkpoint,
)
from tiny import photo

import vild
from vild.checkpoints.released import BACKGROUND, TEXT_MATRIX, released_names
from vild.checkpoints.tensor_bundle import TensorBundle, TensorInfo
from vild.data.lvis import lvis_categories
from vild.errors import CheckpointError, DownloadError, InputError

ARCHIVE = "resnet50_vild.tar.gz"
SMALL = {"image_size": 128, "num_proposals": 20, "score_threshold": 0.0}
FILES = {
    "README.md",
    "config.json",
    "model.weights.h5",
    "provenance.json",
    "vocabulary.npz",
}


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    return random_arrays("r50")


@pytest.fixture(scope="session")
def mirror(
    arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder with the checkpoint of `r50`, 400 MB, and half as large an archive."""
    folder = tmp_path_factory.mktemp("mirror")
    make_archive(folder, "r50", arrays, momentum=False)
    write_checkpoint(folder / "resnet50_vild", arrays)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def prefix(mirror: Path) -> Path:
    return mirror / "resnet50_vild" / PREFIX


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a mirror that nobody has started."""
    monkeypatch.setenv("VILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VILD_WEIGHTS_URL", "http://127.0.0.1:9/nobody")
    return tmp_path / "cache"


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in paths}


def assert_holds(detector: vild.Detector, arrays: dict[str, np.ndarray]) -> None:
    """Check every weight of a detector, and that it leaves no array out."""
    variables = detector.model.variables
    names = released_names(
        [v.path for v in variables], detector.model.config["backbone"]
    )
    for variable in variables:
        expected = arrays[names[variable.path]]
        if names[variable.path] == BACKGROUND:
            expected = expected[:, 0]
        np.testing.assert_array_equal(
            np.asarray(variable.numpy()), expected, err_msg=variable.path
        )
    assert {*names.values(), TEXT_MATRIX} == arrays.keys()
    words = detector.own_vocabulary
    np.testing.assert_allclose(words.embeddings, arrays[TEXT_MATRIX].T, atol=1e-6)


@dataclass
class Loaded:
    """What became of a preset that two processes asked for at once."""

    cache: Path
    url: str
    requests: list[str]


@pytest.fixture(scope="module")
def loaded(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    cache = tmp_path_factory.mktemp("cache")
    # What a process leaves behind that is killed while it converts.
    leftover = cache / "detectors" / ".r50.download" / "content" / "x"
    leftover.mkdir(parents=True)
    (leftover / "model.ckpt-7.index").write_text("half of it")
    (cache / "detectors" / ".r50.lock").touch()
    code = "import vild; print(vild.load_pretrained('r50'))"
    with serve(mirror) as server:
        environment = {"VILD_CACHE": str(cache), "VILD_WEIGHTS_URL": server.url}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for process in processes:
            out, err = process.communicate()
            assert process.returncode == 0, err
            assert out == "Detector(R50, one branch, knows 1203 classes)\n"
    yield Loaded(cache, server.url, server.requests)
    shutil.rmtree(cache)


def test_two_processes_download_once(loaded: Loaded) -> None:
    assert loaded.requests == [f"/{ARCHIVE}"]


def test_only_the_detector_stays_in_the_cache(loaded: Loaded) -> None:
    assert files(loaded.cache) == {f"detectors/r50/{name}" for name in FILES}
    assert [path.name for path in (loaded.cache / "detectors").iterdir()] == ["r50"]


def test_provenance(loaded: Loaded, mirror: Path) -> None:
    text = (loaded.cache / "detectors" / "r50" / "provenance.json").read_text()
    provenance = json.loads(text)
    with (mirror / ARCHIVE).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    assert provenance["sha256"] == digest
    assert provenance["url"] == f"{loaded.url}/{ARCHIVE}"
    assert provenance["preset"] == "r50"


def test_a_cached_preset_needs_no_server(
    loaded: Loaded,
    arrays: dict[str, np.ndarray],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VILD_CACHE", str(loaded.cache))
    detector = vild.load_pretrained("r50", **SMALL)
    assert_holds(detector, arrays)
    assert detector.teacher == "open_clip:ViT-B-32/openai"
    assert detector.settings.image_size == 128

    found = detector.detect(photo(), ["cat", ["sofa", "couch"], "car_(automobile)"])
    assert len(found) > 0
    assert set(found.class_names) <= {"cat", "sofa", "car_(automobile)"}
    assert np.isfinite(found.boxes).all()
    assert found.masks is not None
    assert found.masks.shape == (len(found), 96, 128)
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)
    assert found.scores.max() <= 1


def test_words_are_those_of_lvis(loaded: Loaded) -> None:
    words = vild.load_pretrained(loaded.cache / "detectors" / "r50").own_vocabulary
    categories = lvis_categories()
    assert words.names == [category.name for category in categories]
    assert words.base.tolist() == [c.frequency != "r" for c in categories]
    assert words.find("automobile") == words.find("car_(automobile)")


@pytest.mark.parametrize("given_as", [PREFIX, f"{PREFIX}.index", "."])
def test_a_checkpoint_of_ones_own(
    mirror: Path, arrays: dict[str, np.ndarray], cache: Path, given_as: str
) -> None:
    path = mirror / "resnet50_vild" / given_as
    detector = vild.load_pretrained("r50", checkpoint=path, image_size=192)
    assert_holds(detector, arrays)
    assert detector.settings.image_size == 192
    assert not cache.exists()


Change = Callable[[dict[str, TensorInfo]], None]


def edited(prefix: Path, folder: Path, change: Change) -> Path:
    """A checkpoint with another index over the same data."""
    variables = dict(TensorBundle(prefix).variables)
    change(variables)
    suffix = ".data-00000-of-00001"
    data = prefix.with_name(prefix.name + suffix)
    (folder / f"{PREFIX}{suffix}").symlink_to(data)
    records = [(b"", HEADER)]
    with data.open("rb") as file:
        for name, info in sorted(variables.items()):
            file.seek(info.offset)
            entry = encode_entry(
                DTYPES[info.dtype],
                info.shape,
                offset=info.offset,
                size=info.nbytes,
                crc=masked_crc(file.read(info.nbytes)),
            )
            records.append((name.encode(), entry))
    write_table(folder / f"{PREFIX}.index", records)
    return folder / PREFIX


def test_a_missing_variable(prefix: Path, tmp_path: Path) -> None:
    path = edited(prefix, tmp_path, lambda all_: all_.pop("fpn/l3/bias"))
    with pytest.raises(CheckpointError, match="lacks the variable 'fpn/l3/bias'"):
        vild.load_pretrained("r50", checkpoint=path)


def test_a_variable_too_many(prefix: Path, tmp_path: Path) -> None:
    def add(variables: dict[str, TensorInfo]) -> None:
        variables["fpn/l7/bias"] = variables["fpn/l3/bias"]

    path = edited(prefix, tmp_path, add)
    with pytest.raises(CheckpointError, match="'fpn/l7/bias', which this model has no"):
        vild.load_pretrained("r50", checkpoint=path)


def test_a_variable_of_another_shape(prefix: Path, tmp_path: Path) -> None:
    def turn(variables: dict[str, TensorInfo]) -> None:
        info = variables["fpn/l3/kernel"]
        variables["fpn/l3/kernel"] = replace(info, shape=(1, 1, 256, 512))

    path = edited(prefix, tmp_path, turn)
    message = r"'fpn/l3/kernel' has shape \(1, 1, 256, 512\), expected \(1, 1, 512, 25"
    with pytest.raises(CheckpointError, match=message):
        vild.load_pretrained("r50", checkpoint=path)


def test_a_text_matrix_of_another_shape(prefix: Path, tmp_path: Path) -> None:
    def turn(variables: dict[str, TensorInfo]) -> None:
        info = variables[TEXT_MATRIX]
        variables[TEXT_MATRIX] = replace(info, shape=(1203, 512))

    path = edited(prefix, tmp_path, turn)
    with pytest.raises(CheckpointError, match=rf"'{TEXT_MATRIX}' has shape \(1203, 51"):
        vild.load_pretrained("r50", checkpoint=path)


def test_a_text_matrix_for_other_classes(prefix: Path, tmp_path: Path) -> None:
    def cut(variables: dict[str, TensorInfo]) -> None:
        info = variables[TEXT_MATRIX]
        variables[TEXT_MATRIX] = replace(info, shape=(512, 7), nbytes=512 * 7 * 4)

    path = edited(prefix, tmp_path, cut)
    with pytest.warns(UserWarning, match="7 classes, not for the 1203") as caught:
        detector = vild.load_pretrained("r50", checkpoint=path)
    assert [w.filename for w in caught if "1203" in str(w.message)] == [__file__]
    assert detector.own_vocabulary.names == [f"class {i}" for i in range(1, 8)]
    assert detector.own_vocabulary.base.all()


@pytest.mark.parametrize("wanted", ["r50-ensemble", "r152"])
def test_a_checkpoint_of_another_preset(prefix: Path, wanted: str) -> None:
    with pytest.raises(CheckpointError, match=r"load_pretrained\('r50', checkpoint="):
        vild.load_pretrained(wanted, checkpoint=prefix)


@pytest.fixture
def server(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A mirror that has nothing yet, with an empty cache to load into."""
    (tmp_path / "served").mkdir()
    with serve(tmp_path / "served") as server:
        monkeypatch.setenv("VILD_WEIGHTS_URL", f"{server.url}/")
        yield server


def refused(error: type[Exception], message: str, name: str = "r50") -> None:
    """Check that a preset cannot be had, and that the message is one line."""
    with pytest.raises(error, match=message) as caught:
        vild.load_pretrained(name)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_archive_that_is_not_there(server: Server, cache: Path) -> None:
    refused(DownloadError, rf"{server.url}/{ARCHIVE}.*404")
    assert server.requests == [f"/{ARCHIVE}"]
    assert files(cache) == set()


def test_a_server_that_is_not_there(cache: Path) -> None:
    refused(DownloadError, "127.0.0.1:9/nobody.*could not be reached")
    assert files(cache) == set()


def test_a_server_that_stops_half_way(
    server: Server, tmp_path: Path, cache: Path
) -> None:
    body = random.Random(0).randbytes(100_000)
    (tmp_path / "served" / ARCHIVE).write_bytes(body)
    server.stop_after = 50_000
    refused(DownloadError, r"stopped after 50000 of 100000 bytes.*same call will resu")
    # What has come is kept to go on with, and goes when the download is done.
    kept = {f"detectors/.r50.download/{ARCHIVE}.part{end}" for end in ("", ".version")}
    assert files(cache) == kept
    server.stop_after = None
    refused(DownloadError, rf"{ARCHIVE} cannot be used.*whole \.tar\.gz archive")
    assert files(cache) == set()


def pack_bytes(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"a": b"a", "../evil": b"evil"}, DownloadError, "'../evil' reaches outside"),
        ({"model/notes.txt": b"none"}, CheckpointError, "one checkpoint, found 0"),
        ({"a/x.index": b"", "b/x.index": b""}, CheckpointError, "found 2"),
        ({"a/x.index": b"png"}, CheckpointError, "index of a TensorFlow checkpoint"),
    ],
    ids=["outside", "none", "two", "damaged"],
)
def test_an_archive_of_something_else(
    server: Server,
    tmp_path: Path,
    cache: Path,
    members: dict[str, bytes],
    error: type[Exception],
    message: str,
) -> None:
    pack_bytes(tmp_path / "served" / ARCHIVE, members)
    refused(error, rf"{server.url}/{ARCHIVE} cannot be used: .*{message}")
    assert files(cache) == set()
    assert not (tmp_path / "evil").exists()


def test_something_that_is_no_archive(
    server: Server, tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "served" / ARCHIVE).write_bytes(b"<html>Please log in</html>")
    refused(DownloadError, rf"{ARCHIVE} cannot be used.*whole \.tar\.gz archive")
    assert files(cache) == set()


@pytest.mark.parametrize(
    ("served", "wanted"), [("r50-ensemble", "r50"), ("r50", "r152-ensemble")]
)
def test_an_archive_of_another_preset(
    server: Server, tmp_path: Path, cache: Path, served: str, wanted: str
) -> None:
    marks = [TEXT_MATRIX, "resnet50/conv2d/kernel"]
    if served == "r50-ensemble":
        marks.append("frcnn_layer_0/fast_rcnn_head/distill-project-to-clip/kernel")
    few = {name: np.ones((2, 2), "float32") for name in marks}
    archive = make_archive(tmp_path / "served", served, few)
    name = {"r50": ARCHIVE, "r152-ensemble": "resnet152_vild_ensemble.tar.gz"}[wanted]
    archive.rename(archive.with_name(name))
    refused(CheckpointError, f"'{served}', not of '{wanted}'", wanted)
    assert files(cache) == set()


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VILD_CACHE", str(tmp_path / "file"))
    refused(DownloadError, "name a folder .* by VILD_CACHE")


def test_unknown_names_list_the_presets(cache: Path) -> None:
    with pytest.raises(InputError, match="stickers, r50, r50-ensemble, r152"):
        vild.load_pretrained("r500")
    with pytest.raises(InputError, match="not supported yet"):
        vild.load_pretrained("hf://somebody/something")


@pytest.mark.parametrize(
    "setting", [{"colour": "red"}, {"image_size": 0}, {"dtype": "int8"}]
)
def test_wrong_settings_are_found_before_the_download(
    server: Server, cache: Path, setting: dict[str, object]
) -> None:
    with pytest.raises(InputError, match=next(iter(setting))):
        vild.load_pretrained("r50", **setting)
    assert server.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r50-ensemble", "r152", "r152-ensemble"])
def test_the_other_presets(
    server: Server, tmp_path: Path, cache: Path, name: str
) -> None:
    arrays = random_arrays(name)
    archive = make_archive(tmp_path / "served", name, arrays)
    detector = vild.load_pretrained(name, **SMALL)
    assert_holds(detector, arrays)
    assert files(cache) == {f"detectors/{name}/{file}" for file in FILES}
    found = detector.detect(photo(), ["cat", "dog"])
    assert len(found) > 0
    assert np.isfinite(found.boxes).all()
    shutil.rmtree(cache)
    archive.unlink()
