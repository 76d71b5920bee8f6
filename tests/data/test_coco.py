import json
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from coco_folders import annotation, content, save
from pycocotools import mask as masks_api
from small_datasets import run_doctests

from vild.data.coco import Coco
from vild.data.coco_split import BASE, EXCLUDED, NOVEL
from vild.data.dataset import check_dataset
from vild.data.released_records import Records, write_records
from vild.errors import DataError, InputError

pytestmark = pytest.mark.numpy

MODULES = [
    "coco",
    "coco_boxes",
    "coco_categories",
    "coco_json",
    "coco_writing",
    "finding",
    "image_files",
    "lvis_dataset",
    "opening",
    "segments",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    run_doctests(name, tmp_path, monkeypatch)


def opened(folder, settings=None, **changes):
    return Coco(*save(folder, content(**changes)), **settings or {})


def test_what_is_in_the_json_is_in_the_dataset(tmp_path):
    dataset = check_dataset(opened(tmp_path))
    assert dataset.name == "annotations"
    assert [(c.id, c.name, c.base) for c in dataset.categories] == [
        (3, "cat", True),
        (90, "dog", True),
    ]
    first, empty, last = dataset
    assert [e.image_id for e in (first, empty, last)] == [7, 9, 40]
    assert [len(e) for e in (first, empty, last)] == [2, 0, 1]
    assert first.image[0, 0].tolist() == [7, 7, 7]
    assert first.boxes.tolist() == [[4, 2, 12, 10], [0, 0, 30, 20]]
    assert first.category_ids.tolist() == [3, 90]
    assert first.crowd.tolist() == [False, True]
    assert first.areas.tolist() == [60.5, 60.5]
    assert first.masks.sum(axis=(1, 2)).tolist() == [64, 50]
    assert first.file_name == "0007.png"
    assert empty.boxes.shape == (0, 4)
    assert empty.masks.shape == (0, 20, 30)
    assert dataset[-1].image_id == 40
    with pytest.raises(IndexError):
        dataset[3]


def test_base_and_novel_of_coco(tmp_path):
    assert (len(BASE), len(NOVEL), len(EXCLUDED)) == (48, 17, 15)
    assert len(BASE | NOVEL | EXCLUDED) == 80
    names = sorted(BASE | NOVEL | EXCLUDED)
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    dataset = opened(tmp_path, categories=categories, annotations=[])
    assert {c.name for c in dataset.categories if c.base} == BASE
    assert {c.name for c in dataset.categories if c.novel} == NOVEL
    assert {c.name for c in dataset.categories if c.excluded} == EXCLUDED
    own = opened(tmp_path, {"base": ["cat"]}, categories=categories, annotations=[])
    assert [c.name for c in own.categories if c.base] == ["cat"]
    assert sum(c.novel for c in own.categories) == 79


def test_a_few_names_of_coco_are_a_dataset_of_its_own(tmp_path):
    dataset = opened(tmp_path)
    assert all(category.base for category in dataset.categories)
    novel = opened(tmp_path, {"base": ["cat"]}).categories[1]
    assert novel.novel
    with pytest.raises(InputError, match="'cow' is no category"):
        opened(tmp_path, {"base": ["cat", "cow"]})


@pytest.mark.parametrize("counts", ["compressed", "plain"])
def test_masks_of_run_lengths(tmp_path, counts):
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 5:28] = 1
    rle = masks_api.encode(np.asfortranarray(mask))
    rle["counts"] = rle["counts"].decode()
    if counts == "plain":
        edges = np.flatnonzero(np.diff(mask.ravel("F"), prepend=0, append=0))
        rle["counts"] = np.diff(edges, prepend=0, append=600).tolist()
    entry = annotation(7, 3, segmentation=rle, iscrowd=1)
    dataset = opened(tmp_path, annotations=[entry])
    np.testing.assert_array_equal(dataset[0].masks[0], mask.astype(bool))


def test_boxes_at_and_beyond_the_border(tmp_path):
    annotations = [
        annotation(7, 3, (-3, -2, 10, 10)),
        annotation(7, 3, (25.5, 15, 5, 5.5)),
        annotation(7, 3, (5, 5, 0, 4)),
        annotation(7, 90, (30, 5, 4, 4)),
        annotation(7, 90, (5, 5, -4, 4)),
        annotation(8, 90),
        annotation(7, 90, (1, 1, 2, 2)),
    ]
    with pytest.warns(UserWarning, match="Of 7 annotations in") as caught:
        dataset = opened(tmp_path, annotations=annotations)
    assert len(caught) == 1
    said = str(caught[0].message)
    assert "3 have no area in their image and are left out" in said
    assert "1 are of images that it does not list" in said
    assert "1 reach out of their image and are cut" in said
    example = check_dataset(dataset)[0]
    boxes = [[0, 0, 7, 8], [25.5, 15, 30, 20], [1, 1, 3, 3]]
    assert example.boxes.tolist() == boxes
    assert example.category_ids.tolist() == [3, 3, 90]
    assert len(example.masks) == 3


def test_objects_without_masks(tmp_path):
    plain = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}
    none = annotation(40, 3, segmentation=[], area=None)
    dataset = check_dataset(opened(tmp_path, annotations=[plain, none]))
    assert dataset[0].masks is None
    assert dataset[0].areas.tolist() == [12]
    assert dataset[2].masks is None
    assert dataset[2].areas.tolist() == [64]
    mixed = [plain, annotation(7, 3)]
    assert opened(tmp_path, annotations=mixed)[0].masks is None


def test_missing_images(tmp_path):
    path, images = save(tmp_path, content())
    (images / "0040.png").unlink()
    dataset = Coco(path, images)
    assert dataset[0].image_id == 7
    with pytest.raises(DataError, match=r"0040\.png' is not there.*missing='skip'"):
        dataset[2]
    fewer = check_dataset(Coco(path, images, missing="skip"))
    assert [e.image_id for e in fewer] == [7, 9]
    assert [len(e) for e in fewer] == [2, 0]
    assert fewer.fingerprint != dataset.fingerprint
    (images / "0007.png").unlink()
    assert [e.image_id for e in Coco(path, images, missing="skip")] == [9]
    with pytest.raises(DataError, match=r"0007\.png' is not there"):
        Coco(path, images)
    for missing in ("error", "skip"):
        with pytest.raises(DataError, match="give the folder"):
            Coco(path, tmp_path / "elsewhere", missing=missing)
    with pytest.raises(InputError, match="'error' or 'skip'"):
        Coco(path, images, missing="ignore")


def test_images_are_found_by_address_and_by_bare_name(tmp_path):
    whole = content()
    path, images = save(tmp_path, whole, "val2017")
    for entry in whole["images"]:
        entry["coco_url"] = f"http://images.org/val2017/{entry.pop('file_name')}"
    path.write_text(json.dumps(whole))
    for folder in (tmp_path, images):
        dataset = Coco(path, folder)
        assert dataset[0].image.shape == (20, 30, 3)
        assert dataset[0].file_name == "val2017/0007.png"


def test_images_of_another_size(tmp_path):
    path, images = save(tmp_path, content())
    whole = content()
    whole["images"][0]["height"] = 21
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match=r"0007\.png' is 20 x 30 .* are for 21 x 30"):
        _ = Coco(path, images)[0].image


def test_a_dataset_travels_to_other_processes(tmp_path):
    dataset = pickle.loads(pickle.dumps(opened(tmp_path)))
    assert [len(e) for e in dataset] == [2, 0, 1]
    assert dataset[0].masks.sum(axis=(1, 2)).tolist() == [64, 50]


def test_the_fingerprint_changes_with_the_annotations(tmp_path):
    first = opened(tmp_path).fingerprint
    assert first == opened(tmp_path).fingerprint
    assert first != opened(tmp_path, annotations=[]).fingerprint


def without(key, entries):
    return [{k: v for k, v in entry.items() if k != key} for entry in entries]


MALFORMED = {
    "no annotations": ({"annotations": None}, "no list 'annotations'"),
    "images as dict": ({"images": {}}, "no list 'images'"),
    "captions": (
        {"annotations": [{"image_id": 7, "caption": "a cat"}]},
        r"an annotation .* image_id and category_id, received .*a cat",
    ),
    "no bbox": ({"annotations": without("bbox", [annotation(7, 3)])}, "bbox as"),
    "short bbox": ({"annotations": [annotation(7, 3, (1, 2, 3))]}, "bbox as"),
    "text bbox": ({"annotations": [annotation(7, 3, ("a", 2, 3, 4))]}, "bbox as"),
    "odd polygon": (
        {"annotations": [annotation(7, 3, segmentation=[[1, 2, 3]])]},
        "a segmentation of polygons",
    ),
    "text polygon": (
        {"annotations": [annotation(7, 3, segmentation=[["1", "2"]])]},
        "a segmentation of polygons",
    ),
    "bare polygon": (
        {"annotations": [annotation(7, 3, segmentation=[1, 2, 3, 4, 5, 6])]},
        "a segmentation of polygons",
    ),
    "half a mask": (
        {"annotations": [annotation(7, 3, segmentation={"counts": [1]})]},
        "a segmentation of polygons",
    ),
    "text id": ({"annotations": [annotation("7", 3)]}, "whole numbers as image_id"),
    "nan": ({"annotations": [annotation(7, 3, (float("nan"), 1, 2, 3))]}, "not finite"),
    "unknown category": ({"annotations": [annotation(7, 4)]}, "the category 4"),
    "no image id": (
        {"images": without("id", content()["images"])},
        "whole numbers as id",
    ),
    "no height": (
        {"images": without("height", content()["images"])},
        "height and width",
    ),
    "no name": (
        {"images": without("file_name", content()["images"])},
        "file_name or coco_url",
    ),
    "image is text": ({"images": ["a.jpg"]}, "whole numbers as id"),
    "twice": ({"images": content()["images"][:1] * 2}, "Two images .* id 7"),
    "flat": (
        {"images": [content()["images"][0] | {"width": 0}]},
        "image 7 .* no height",
    ),
    "nameless category": ({"categories": [{"id": 3}]}, "a text as name"),
    "category twice": (
        {"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]},
        "Two categories .* the id 3",
    ),
    "name twice": (
        {"categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "a"}]},
        "Two categories .* the name 'a'",
    ),
    "text category": ({"categories": ["cat"]}, "a text as name"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_json(tmp_path, kind):
    changes, message = MALFORMED[kind]
    path, images = save(tmp_path, content())
    path.write_text(json.dumps(content() | changes))
    with pytest.raises(DataError, match=message) as caught:
        Coco(path, images)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no json"),
        ("{", "no json"),
        ("[" * 100_000, "no json"),
        ("[]", "no list 'images'"),
        ('"text"', "no list 'images'"),
        (b"\xff\xfe\x00", "no json"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_json(tmp_path, text, message):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        Coco(path, tmp_path)


def test_damaged_masks_name_their_image(tmp_path):
    entry = annotation(7, 3, segmentation={"size": [20, 31], "counts": [620]})
    with pytest.raises(
        DataError, match=r"Mask 0 of image 7 of annotations is \(20, 31"
    ):
        _ = opened(tmp_path, annotations=[entry])[0].masks


def test_into_records_and_back(tmp_path):
    dataset = opened(tmp_path / "a")
    write_records(dataset, tmp_path / "b", "val", shards=2)
    records = check_dataset(Records(tmp_path / "b"))
    for received, expected in zip(records, dataset, strict=True):
        np.testing.assert_array_equal(received.masks, expected.masks)
        np.testing.assert_array_equal(received.crowd, expected.crowd)
    assert records.categories == dataset.categories


def test_polygons_of_photos_equal_pycocotools():
    folder = Path(os.environ.get("VILD_COCO128", "coco128"))
    if not folder.is_dir():
        pytest.skip("set VILD_COCO128 to a folder of the first 128 photos of COCO")
    path = next(folder.glob("*.json"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = Coco(path, folder / "images")
    whole = json.loads(path.read_text())
    by_image = {}
    for entry in whole["annotations"]:
        by_image.setdefault(entry["image_id"], []).append(entry)
    assert sum(len(e) for e in dataset) == len(whole["annotations"]) == 939
    for example in dataset:
        entries = by_image.get(example.image_id, [])
        assert example.category_ids.tolist() == [e["category_id"] for e in entries]
        for mask, entry in zip(example.masks, entries, strict=True):
            runs = masks_api.frPyObjects(entry["segmentation"], *example.size)
            if isinstance(runs, list):
                runs = masks_api.merge(runs)
            np.testing.assert_array_equal(mask, masks_api.decode(runs).astype(bool))
