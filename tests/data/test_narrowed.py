import json

import numpy as np
import pytest
from small_datasets import Few, make_example, run_doctests

from vild.cli import main
from vild.data.coco import Coco
from vild.data.dataset import check_dataset
from vild.data.drawn_dataset import DrawnObjects
from vild.data.narrowed import Narrowed
from vild.errors import InputError

pytestmark = pytest.mark.numpy

TWO = ["blue ring", "cyan heart"]


def test_examples(tmp_path, monkeypatch):
    run_doctests("narrowed", tmp_path, monkeypatch)


def test_only_objects_of_some_categories_are_left():
    scenes = DrawnObjects("val:40")
    some = check_dataset(Narrowed(scenes, TWO))
    ids = {c.id: c.name for c in scenes.categories if c.name in TWO}
    found = {some[i].image_id: some[i] for i in range(len(some))}
    for index in range(40):
        whole = scenes[index]
        rows = [r for r, key in enumerate(whole.category_ids) if key in ids]
        if not rows:
            assert whole.image_id not in found
            continue
        part = found[whole.image_id]
        np.testing.assert_array_equal(part.boxes, whole.boxes[rows])
        np.testing.assert_array_equal(part.masks, whole.masks[rows])
        assert set(part.negative_ids.tolist()) <= set(ids)
    assert some.fingerprint != Narrowed(scenes, TWO[:1]).fingerprint
    every = check_dataset(Narrowed(scenes, TWO, keep_empty=True))
    assert every.fingerprint != some.fingerprint
    for index in range(40):
        image_id = scenes[index].image_id
        assert every[index].image_id == image_id
        boxes = found[image_id].boxes if image_id in found else np.zeros((0, 4))
        np.testing.assert_array_equal(every[index].boxes, boxes)


def test_masks_that_are_only_a_call_are_narrowed_too():
    masks = np.zeros((2, 20, 30), bool)
    masks[1, :5] = True
    few = Few(make_example(packed_masks=lambda: masks))
    some = Narrowed(few, ["dog"])
    np.testing.assert_array_equal(some[0].masks, masks[1:])
    assert some.fingerprint is None


def test_a_name_that_there_is_not_is_told(tmp_path, capsys):
    with pytest.raises(InputError, match="no category 'cat'"):
        Narrowed(DrawnObjects("val:3"), ["cat"])
    command = ["convert", "drawn:val:3", f"coco:{tmp_path}/a", "--classes", "cat"]
    assert main(command) == 1
    assert "no category 'cat'" in capsys.readouterr().err


def test_convert_writes_some_classes(tmp_path):
    command = ["convert", "drawn:val:40", f"coco:{tmp_path}/a", "--workers", "1"]
    assert main([*command, "--classes", *TWO]) == 0
    written = Coco(tmp_path / "a" / "annotations.json")
    assert [c.name for c in written.categories] == TWO
    assert len(written) == len(list((tmp_path / "a" / "images").iterdir())) == 8
    told = json.loads((tmp_path / "a" / "annotations.json").read_text())
    assert len(told["annotations"]) >= 8
