import numpy as np
import pytest

from vild.data.dataset import Dataset, check_dataset
from vild.data.drawn_dataset import DrawnObjects
from vild.data.finding import get
from vild.errors import InputError

pytestmark = pytest.mark.numpy


def test_it_is_a_dataset_shaped_like_lvis():
    scenes = check_dataset(DrawnObjects("train:50"))
    assert isinstance(scenes, Dataset)
    assert [c.frequency for c in scenes.categories].count("r") == 20
    assert sum(c.base for c in scenes.categories) == 80
    assert len({c.name for c in scenes.categories}) == 100
    base_words = {w for c in scenes.categories if c.base for w in c.name.split()}
    for category in scenes.categories:
        if category.novel:
            assert set(category.name.split()) <= base_words, "the words are known"


@pytest.mark.parametrize("seed", [0, 1])
def test_novel_colours_share_all_else_with_base_classes(seed):
    scenes = check_dataset(DrawnObjects("train:20", seed=seed, novel="colours"))
    words = [c.name.split() for c in scenes.categories]
    base = [w for w, c in zip(words, scenes.categories, strict=True) if c.base]
    novel = [w for w in words if w not in base]
    assert (len(base), len(novel)) == (80, 20)
    assert len({w[-2] for w in novel}) == 2
    assert not {w[-2] for w in novel} & {w[-2] for w in base}
    for *pattern, _, shape in novel:
        assert sum([*b[:-2], b[-1]] == [*pattern, shape] for b in base) == 8
    assert get("drawn-colours:train:20").name == scenes.name
    assert DrawnObjects("train:20").fingerprint != scenes.fingerprint


def test_scenes_are_the_same_every_time():
    first, second = DrawnObjects("val:5")[3], DrawnObjects("val:5")[3]
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.boxes, second.boxes)
    other = DrawnObjects("train:5")[3]
    assert not np.array_equal(first.image, other.image)


def test_boxes_are_around_masks():
    for index in range(10):
        example = DrawnObjects("train:10")[index]
        assert example.masks.shape == (len(example), 256, 256)
        assert example.masks.sum(axis=0).max() <= 1, "masks never overlap"
        for (x1, y1, x2, y2), mask in zip(
            example.boxes.astype(int), example.masks, strict=True
        ):
            assert mask[y1:y2, x1:x2].sum() == mask.sum() > 0
            assert mask[y1].any()
            assert mask[:, x1].any()
            assert mask[y2 - 1].any()
            assert mask[:, x2 - 1].any()
        assert not set(example.category_ids) & set(example.negative_ids)


def test_the_tail_is_long_in_training_only():
    counts = {}
    for split in ("train", "val"):
        scenes = DrawnObjects(f"{split}:400")
        ids = np.concatenate([scenes[i].category_ids for i in range(400)])
        counts[split] = np.bincount(ids, minlength=101)[1:]
    assert counts["train"][:5].mean() > 10 * counts["train"][60:80].mean()
    assert counts["val"][:5].mean() < 3 * counts["val"][60:80].mean()
    assert counts["val"][80:].min() > 0


@pytest.mark.parametrize(
    "arguments",
    [("test",), ("train:x",), ("val", (32, 64)), ("val", (64, 64), (1, 2), 0, "x")],
)
def test_what_cannot_be_drawn(arguments):
    with pytest.raises(InputError):
        DrawnObjects(*arguments)


def test_there_is_an_end():
    with pytest.raises(IndexError):
        DrawnObjects("val:3")[3]
    assert len(list(DrawnObjects("val:3"))) == 3
