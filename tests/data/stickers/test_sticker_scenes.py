"""Scenes of stickers as a dataset."""

import importlib
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vild.data.dataset import Dataset, check_dataset
from vild.data.stickers import SPLITS, Stickers, concepts
from vild.data.stickers.scene import VISIBLE, Scene, turned
from vild.errors import DataError, InputError

pytestmark = pytest.mark.numpy


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_pasted_stickers_stay_visible(seed, count):
    rng = np.random.default_rng(seed)
    scene = Scene(np.full((96, 128, 3), 90, np.uint8))
    whole = []
    for _ in range(count):
        size = rng.integers(8, 70, 2)
        sticker = np.full((*size, 4), 255, np.uint8)
        if scene.paste(sticker, rng):
            whole.append(size.prod())
    masks = scene.masks()
    assert masks.shape == (len(whole), 96, 128)
    assert len(scene) == len(whole)
    assert masks.sum(axis=0).max(initial=0) <= 1, "masks never overlap"
    for mask, area in zip(masks, whole, strict=True):
        assert VISIBLE * area <= mask.sum() <= area


def test_a_mask_is_what_changed():
    rng = np.random.default_rng(3)
    sticker = np.zeros((30, 40, 4), np.uint8)
    sticker[5:25, 5:35] = (250, 20, 20, 255)
    for _ in range(20):
        scene = Scene(np.full((96, 96, 3), 200, np.uint8))
        while not scene.paste(sticker, rng):
            pass
        red = scene.canvas[..., 0].astype(int) - scene.canvas[..., 1] > 60
        np.testing.assert_array_equal(scene.masks()[0], red)


def test_what_finds_no_place_is_left_out():
    rng = np.random.default_rng(0)
    scene = Scene(np.zeros((64, 64, 3), np.uint8))
    assert not scene.paste(np.full((3, 3, 4), 255, np.uint8), rng), "too small"
    assert not scene.paste(np.full((400, 400, 4), 255, np.uint8), rng), "too large"
    assert scene.paste(np.full((64, 64, 4), 255, np.uint8), rng)
    for _ in range(5):
        scene.paste(np.full((60, 60, 4), 255, np.uint8), rng)
    assert scene.masks().sum(axis=(1, 2)).min() >= VISIBLE * 60 * 60


def test_sizes_are_those_that_were_asked_for():
    sticker = np.full((160, 80, 4), 255, np.uint8)
    for seed in range(20):
        shown = turned(sticker, 64, np.random.default_rng(seed))
        # The area stays, but for the stretch and soft edges.
        area = (shown[..., 3] > 127).sum()
        assert 0.85 * 64 * 32 < area < 1.2 * 64 * 32


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.usefixtures("made")
def test_it_is_a_dataset(split):
    scenes = check_dataset(Stickers(f"{split}:6"))
    assert isinstance(scenes, Dataset)
    assert len(scenes) == 6
    by_id = {c.id: c for c in scenes.categories}
    known = concepts()
    for example in scenes:
        assert example.image.shape == (224, 224, 3)
        assert not set(example.category_ids) & set(example.negative_ids)
        assert set(example.negative_ids) <= set(by_id)
        for (x1, y1, x2, y2), mask, number in zip(
            example.boxes.astype(int), example.masks, example.category_ids, strict=True
        ):
            assert mask[y1:y2, x1:x2].sum() == mask.sum() > 0
            for edge in (mask[y1], mask[:, x1], mask[y2 - 1], mask[:, x2 - 1]):
                assert edge.any()
            assert by_id[number].name == known[number - 1].name
            assert known[number - 1].part in SPLITS[split].parts


@pytest.mark.usefixtures("made")
def test_what_each_split_asks_for():
    held_out = {}
    for split in SPLITS:
        categories = Stickers(split).categories
        assert sum(c.base for c in categories) == 481
        held_out[split] = {c.name for c in categories if c.novel}
        assert {c.frequency for c in categories if c.base} == {"f", "c"}
        assert {c.frequency for c in categories if not c.base} == {"r"}
    assert held_out["train"] == held_out["test-seen"] == held_out["test-unseen"]
    assert held_out["train"] == held_out["test-photos"]
    assert held_out["val"] == held_out["val-unseen"]
    assert not held_out["val"] & held_out["test-seen"]
    excluded = {c.name for c in Stickers("train").categories if c.excluded}
    assert excluded == held_out["val"]


@pytest.mark.usefixtures("made")
def test_scenes_are_the_same_every_time_and_everywhere():
    first = Stickers("val:5")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        # The fingerprint tells whether the other process has the same pictures.
        other = pool.apply(_scene, (first, 3))
    np.testing.assert_array_equal(first[3].image, other)
    assert Stickers("val:9").fingerprint == first.fingerprint
    seen = [Stickers(split)[3].image for split in SPLITS]
    seen += [Stickers("val", seed=1)[3].image, first[2].image]
    assert len({image.tobytes() for image in seen}) == len(seen)
    prints = [Stickers(split).fingerprint for split in SPLITS]
    prints += [
        Stickers("val", seed=1).fingerprint,
        Stickers("val", (96, 96)).fingerprint,
        Stickers("train", even=True).fingerprint,
    ]
    assert len(set(prints)) == len(prints)


@pytest.mark.usefixtures("made")
def test_the_fingerprint_tells_of_the_concepts_and_the_hands(monkeypatch):
    module = importlib.import_module("vild.data.stickers.catalogue")
    known = list(concepts())
    changes = [
        replace(known[0], synonyms=(*known[0].synonyms, "another name")),
        replace(known[0], part="val"),
        replace(known[0], pictures=()),
    ]
    prints = {Stickers("val").fingerprint}
    for changed in changes:
        with monkeypatch.context() as patch:
            patch.setattr(module, "concepts", lambda new=changed: (new, *known[1:]))
            module.concepts_digest.cache_clear()
            prints.add(Stickers("val").fingerprint)
    module.concepts_digest.cache_clear()
    assert len(prints) == 4


def _scene(scenes, index):
    return scenes[index].image


@pytest.mark.usefixtures("made")
def test_the_tail_is_long_in_training_only():
    counts = {}
    for split, even in (("train", False), ("train", True), ("val", False)):
        scenes = Stickers(f"{split}:100", (64, 64), objects=(8, 12), even=even)
        ids = np.concatenate([scenes[i].category_ids for i in range(100)])
        counts[split, even] = np.bincount(ids, minlength=700)
    first, last = slice(1, 60), slice(400, 482)
    train = counts["train", False]
    assert train[first].sum() > 4 * train[last].sum()
    for alike in (counts["train", True], counts["val", False]):
        assert alike[first].sum() < 2 * alike[last].sum()
    assert train[482:].sum() > 0, "novel ones are drawn, for a teacher to name"


@pytest.mark.parametrize("size", [(64, 100), (320, 200)])
@pytest.mark.usefixtures("made")
def test_other_sizes_and_numbers(size):
    scenes = check_dataset(Stickers("train:6", size=size, objects=(3, 3)))
    assert all(example.image.shape == (*size, 3) for example in scenes)
    assert max(len(example) for example in scenes) == 3


@pytest.mark.usefixtures("made")
def test_the_hands_can_be_chosen():
    scenes = Stickers("train/inked:5")
    assert (scenes.name, len(scenes)) == ("stickers:train/inked", 5)
    assert scenes[0].file_name == "stickers-train-inked-000000.png"
    both = Stickers("train/plain+inked:5")
    prints = {s.fingerprint for s in (scenes, both, Stickers("train"))}
    assert len(prints) == 3
    # What differs is who drew them, not what is drawn.
    assert [c.name for c in both.categories] == [c.name for c in scenes.categories]


@pytest.mark.parametrize(
    ("split", "style"),
    [
        ("train", "painted"),
        ("train", "named"),
        ("train", "shot"),
        ("val", "painted"),
        ("val-unseen", "plain"),
        ("test-seen", "plain+painted"),
        ("test-unseen", "plain"),
        ("test-unseen", "named"),
        ("test-unseen", "shot"),
        ("test-photos", "plain"),
    ],
)
@pytest.mark.usefixtures("made")
def test_what_is_held_out_stays_unseen(split, style):
    with pytest.raises(InputError, match=f"The scenes of '{split}' are drawn by"):
        Stickers(f"{split}/{style}:5")


@pytest.mark.usefixtures("made")
def test_a_style_is_named_once():
    with pytest.raises(InputError, match=r"named once, received 'plain\+plain'"):
        Stickers("train/plain+plain")


@pytest.mark.parametrize(
    "arguments",
    [
        ("test",),
        ("val/oils",),
        ("val/",),
        ("train:x",),
        ("train:0",),
        ("val", (64, 64), (1, 3), 2**32),
        ("val", (32, 64)),
        ("val", (64, 64), (0, 3)),
        ("val", (64, 64), (4, 3)),
    ],
)
@pytest.mark.usefixtures("made")
def test_what_cannot_be_composed(arguments):
    with pytest.raises(InputError):
        Stickers(*arguments)


@pytest.mark.usefixtures("made")
def test_there_is_an_end():
    with pytest.raises(IndexError):
        Stickers("val:3")[3]
    assert len(list(Stickers("val:3"))) == 3


@pytest.mark.usefixtures("styles")
def test_without_pictures():
    with pytest.raises(DataError, match="vild data stickers"):
        Stickers("val")
