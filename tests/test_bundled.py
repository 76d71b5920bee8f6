"""The detector that comes with the package, and the scene that it shows."""

import importlib.resources
from pathlib import Path

import numpy as np
import pytest

import vild
from vild.cli import main
from vild.data.images import load_image
from vild.data.overlap import overlaps
from vild.data.stickers import concepts
from vild.presets import BUNDLED, DEMO_SCENE, DEMO_WORDS, PRESETS
from vild.recipes import Recipe, changed
from vild.runs.network import make_network

# Where the words are in the scene, as it was composed: x1 y1 x2 y2 in pixels.
THERE = {
    "hot dog": [136, 96, 205, 156],
    "champagne glasses": [213, 268, 310, 352],
    "baseball": [36, 0, 85, 41],
    "lettuce": [68, 62, 180, 243],
    "seat": [304, 143, 392, 253],
}
LARGEST = 12e6  # bytes


@pytest.fixture(scope="module")
def detector():
    return vild.load_pretrained("stickers")


@pytest.fixture(scope="module")
def regions(detector):
    return detector.encode(DEMO_SCENE)


def test_words_are_found_where_they_are(regions):
    found = regions.detect(list(DEMO_WORDS))
    for word, box in THERE.items():
        boxes = found.boxes[[name == word for name in found.class_names]]
        assert len(boxes), f"{word} is not found"
        assert overlaps(boxes, np.array([box])).max() > 0.5, word


def test_words_that_are_not_there_find_nothing(regions):
    assert set(DEMO_WORDS) - set(THERE) == {"cat"}
    assert "cat" not in regions.detect(list(DEMO_WORDS)).class_names


def test_words_that_no_label_and_no_name_ever_used_are_found(regions, detector):
    asked = {"drinks": "champagne glasses", "sausage in a bun": "hot dog"}
    known = {name for names in detector.own_vocabulary.synonyms for name in names}
    assert not known & set(asked)
    found = regions.detect(list(asked))
    for word, thing in asked.items():
        x1, y1, x2, y2 = found.boxes[found.class_names.index(word)]
        left, top, right, bottom = THERE[thing]
        assert left < (x1 + x2) / 2 < right, word
        assert top < (y1 + y2) / 2 < bottom, word


def test_some_of_the_words_were_never_taught(detector):
    words = detector.vocabulary(list(DEMO_WORDS))
    assert (~words.base).sum() == 2
    parts = {concept.name: concept.part for concept in concepts()}
    for name, base in zip(words.names, words.base, strict=True):
        assert base == (parts[name] == "base")


def test_what_is_not_there_is_not_found(regions):
    there = {*DEMO_WORDS}
    absent = [c.name for c in concepts()[::20] if c.name not in there]
    found = [word for word in absent if len(regions.detect([word]))]
    # By the calibration one in twenty may be.
    assert len(found) <= 3, found


def test_masks_lie_in_their_boxes(regions):
    found = regions.detect(list(DEMO_WORDS))
    # Masks are painted in whole pixels: they may begin in the one before.
    for box, mask in zip(found.boxes, found.masks, strict=True):
        y, x = np.nonzero(mask)
        assert len(y)
        assert x.min() >= box[0] - 2
        assert x.max() <= box[2] + 2
        assert y.min() >= box[1] - 2
        assert y.max() <= box[3] + 2


def test_it_is_small_with_its_words():
    package = importlib.resources.files("vild")
    files = [*package.joinpath("bundled", "stickers").iterdir()]
    files += [package.joinpath("teachers", "sticker_words.npz")]
    assert sum(path.stat().st_size for path in files) < LARGEST


def test_its_preset_says_what_it_is(detector):
    preset = PRESETS["stickers"]
    assert preset.bundled is not None
    assert preset.parameters == pytest.approx(
        detector.model.count_params() / 1e6, abs=0.05
    )
    assert preset.measured is not None
    assert preset.ensemble == detector.model.config["ensemble"]
    assert detector.teacher == "stickers"


def test_its_card_tells_what_its_preset_tells():
    card = Path(__file__).parents[1] / "docs" / "model-stickers.md"
    row = next(
        line
        for line in card.read_text("utf-8").splitlines()
        if line.startswith("| `test-unseen`")
    )
    told = [float(number) for number in row.split("|")[-2].split("/")]
    measured = PRESETS["stickers"].measured
    assert told == [measured[name] for name in ("APr", "APc", "APf", "AP")]


def test_it_can_be_trained_on_in_every_part(tmp_path):
    """It was trained with a frozen backbone, and its file says so."""
    recipe = changed(
        Recipe(),
        ["model.backbone=initial", f"model.initial_weights={BUNDLED}/stickers"],
    )
    assert make_network(recipe, 128).backbone.trainable_variables
    frozen = changed(recipe, ["model.frozen=backbone,"])
    assert not make_network(frozen, 128).backbone.trainable_variables


def test_a_checkpoint_does_not_go_with_it(tmp_path):
    with pytest.raises(vild.VildError, match="comes with vild"):
        vild.load_pretrained("stickers", checkpoint=tmp_path)


def test_it_is_what_looks_where_no_model_is_named(regions):
    found = vild.detect(load_image(DEMO_SCENE), list(DEMO_WORDS))
    assert found.class_names == regions.detect(list(DEMO_WORDS)).class_names


def test_detect_without_a_photo_shows_the_scene(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VILD_CACHE", str(tmp_path / "cache"))
    assert main(["detect"]) == 0
    printed = capsys.readouterr()
    for word in THERE:
        assert word in printed.out
    assert (tmp_path / "detections" / "demo.jpg").is_file()
    assert "no photo is named" in printed.err


def test_other_words_for_the_scene(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["detect", "--classes", "drinks,bicycle"]) == 0
    printed = capsys.readouterr().out
    assert "drinks" in printed
    assert "bicycle" not in printed


@pytest.mark.parametrize("option", ["--model", "--checkpoint", "--json"])
def test_what_is_for_photos_needs_one(option, capsys):
    assert main(["detect", option, "r50"]) == 1
    assert "No photo is named" in capsys.readouterr().err


def test_a_photo_without_a_model_is_told_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["detect", str(DEMO_SCENE), "--classes", "cat"]) == 0
    assert "--model r50-ensemble" in capsys.readouterr().err
