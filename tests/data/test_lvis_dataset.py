import json
from itertools import chain

import numpy as np
import pytest
from coco_folders import content, save
from test_records import assert_same_records

from vild.data.coco import Coco
from vild.data.dataset import check_dataset
from vild.data.lvis_dataset import Lvis
from vild.data.released_records import Records, write_records
from vild.data.tf_example import decode_example
from vild.data.tfrecord import stream_tfrecord
from vild.errors import DataError


def lvis(folder):
    with pytest.warns(UserWarning, match=r"1 have no area.*1 reach out") as caught:
        dataset = Lvis(folder / "lvis_tiny.json", folder)
    assert len(caught) == 1
    return dataset


def test_conversion_gives_the_released_records(reference, tmp_path):
    tiny = reference / "lvis_tiny"
    theirs = sorted(tiny.glob("*.tfrecord"))
    ours = write_records(lvis(tiny), tmp_path, "val", shards=2, workers=2)
    assert [path.name for path in ours] == [path.name for path in theirs]
    for one, other in zip(ours, theirs, strict=True):
        pairs = zip(stream_tfrecord(one), stream_tfrecord(other), strict=True)
        for received, expected in pairs:
            assert_same_records(decode_example(received), decode_example(expected))
    names = json.loads((tiny / "feature_keys.json").read_text()).values()
    records = chain.from_iterable(map(stream_tfrecord, ours))
    for record, expected in zip(records, names, strict=True):
        features = decode_example(record)
        assert {k: len(v) for k, v in features.items()} == {
            k: length for k, (_, length) in expected.items()
        }


def test_json_and_records_are_the_same_dataset(reference):
    dataset = check_dataset(lvis(reference / "lvis_tiny"))
    records = Records(reference / "lvis_tiny")
    for one, other in zip(dataset, records, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=2.4e-7)
        for name in ("masks", "areas", "category_ids", "crowd", "size", "negative_ids"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.not_exhaustive_ids, other.not_exhaustive_ids)
        assert one.image_id == other.image_id
        assert one.file_name == other.file_name
    assert dataset.name == "lvis_tiny"
    assert [c.id for c in dataset.categories if c.novel] == [1, 35, 204, 793]
    assert dataset.categories[0].synonyms == ("aerosol_can",)
    assert len(dataset[2]) == 0


def with_frequencies(**changes):
    whole = content(**changes)
    for category, frequency in zip(whole["categories"], "rf", strict=True):
        category |= {"frequency": frequency, "synonyms": [category["name"], "pet"]}
    for image in whole["images"]:
        image |= {"neg_category_ids": [3], "not_exhaustive_category_ids": []}
    whole["images"][1]["not_exhaustive_category_ids"] = [3, 90]
    return whole


def test_frequencies_and_partial_annotation(tmp_path):
    dataset = check_dataset(Lvis(*save(tmp_path, with_frequencies())))
    assert [c.base for c in dataset.categories] == [False, True]
    assert [c.frequency for c in dataset.categories] == ["r", "f"]
    assert dataset.categories[0].synonyms == ("cat", "pet")
    assert [e.negative_ids.tolist() for e in dataset] == [[3]] * 3
    assert [e.not_exhaustive_ids.tolist() for e in dataset] == [[], [3, 90], []]
    # What is there or certainly absent, and not annotated in part only.
    shown = [set(e.category_ids.tolist()) for e in dataset]
    annotated = [set(e.annotated_ids.tolist()) for e in dataset]
    assert annotated == [shown[0] | {3}, shown[1] - {3, 90}, shown[2] | {3}]
    # Read as coco it is the same, but for where the images are looked for first.
    assert Coco(*save(tmp_path, with_frequencies())).categories == dataset.categories


def test_the_address_goes_before_the_file_name(tmp_path):
    whole = with_frequencies()
    path, images = save(tmp_path, whole, "coco/train2017")
    save(tmp_path, whole, "coco/val2017")
    for entry in whole["images"]:
        entry["coco_url"] = f"http://images.org/train2017/{entry['file_name']}"
        entry["file_name"] = f"val2017/{entry['file_name']}"
    path.write_text(json.dumps(whole))
    folder = images.parent
    assert Lvis(path, folder)[0].file_name == "train2017/0007.png"
    assert "train2017" in str(Lvis(path, folder)[0].picture)
    assert "val2017" in str(Coco(path, folder)[0].picture)


def test_missing_images_may_be_skipped_as_released(tmp_path):
    path, images = save(tmp_path, with_frequencies())
    (images / "0009.png").unlink()
    assert [e.image_id for e in Lvis(path, images, missing="skip")] == [7, 40]


def test_coco_is_not_lvis(tmp_path):
    with pytest.raises(DataError, match=r"'cat' .* no frequency .* read it as coco"):
        Lvis(*save(tmp_path, content()))


def test_without_lists_of_what_was_searched_for_everything_was(tmp_path):
    whole = with_frequencies()
    del whole["images"][2]["neg_category_ids"]
    dataset = Lvis(*save(tmp_path, whole))
    assert [example.annotated_ids for example in dataset] == [None] * 3
