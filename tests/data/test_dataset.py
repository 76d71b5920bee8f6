import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_datasets import NOISE, Few, encoded, make_example, run_doctests

from vild.data.dataset import Category, Dataset, check_dataset
from vild.data.lvis import lvis_categories
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.data.rle import encode_rle
from vild.errors import DataError

pytestmark = pytest.mark.numpy

MODULES = [
    "categories",
    "dataset",
    "dataset_checks",
    "example",
    "lvis",
    "object_masks",
    "pictures",
    "polygons",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    run_doctests(name, tmp_path, monkeypatch)


def test_a_dataset_is_what_has_its_names():
    few = Few(make_example(), make_example(packed_masks=None))
    assert isinstance(few, Dataset)
    assert check_dataset(few) is few


def test_categories_of_lvis():
    categories = lvis_categories()
    assert len(categories) == 1203
    assert sum(category.novel for category in categories) == 337
    assert all(c.base == (c.frequency != "r") for c in categories)


def test_an_excluded_category_is_neither_base_nor_novel():
    assert not Category(1, "a", base=False, excluded=True).novel


def test_examples_fill_in_what_is_not_known():
    example = make_example()
    assert example.crowd.tolist() == [False, False]
    assert example.areas.tolist() == [100, 600]
    assert example.areas.dtype == np.float32
    assert len(example) == 2
    assert example.masks is example.masks
    assert make_example(packed_masks=None).masks is None


def test_examples_travel_undecoded(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(np.zeros((20, 30, 3), np.uint8), "JPEG"))
    example = make_example(picture=Picture(path))
    assert len(pickle.dumps(example)) < 2000
    assert pickle.loads(pickle.dumps(example)).image.shape == (20, 30, 3)


def test_pictures_of_all_sources_are_equal(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(encoded(array))
    for source in (array, encoded(array), tmp_path / "a.png"):
        picture = Picture(source)
        np.testing.assert_array_equal(picture.decode((6, 9)), array)
        assert picture.size() == (6, 9)
        assert Image.open(io.BytesIO(picture.encoded())).size == (9, 6)


def test_grey_becomes_rgb():
    assert Picture(encoded(np.zeros((4, 5), np.uint8))).decode((4, 5)).shape == (
        4,
        5,
        3,
    )


def test_orientation_counts_only_where_the_annotations_say_so():
    array = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture = Picture(encoded(array, exif=exif))
    np.testing.assert_array_equal(picture.decode((6, 9)), array)
    np.testing.assert_array_equal(picture.decode(), array)
    np.testing.assert_array_equal(picture.decode((9, 6)), np.rot90(array, -1))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "not a picture"),
        (b"text", "not a picture"),
        (encoded(NOISE)[:900], "damaged or cut short"),
        (np.zeros((4, 4, 3), np.uint8), "is 4 x 4 .* annotations are for 6 x 9"),
    ],
)
def test_pictures_that_cannot_be_used(source, message):
    with pytest.raises(DataError, match=message) as caught:
        Picture(source, "a/b.jpg").decode((6, 9))
    assert "a/b.jpg" in str(caught.value)


def test_missing_pictures(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg' is not there.*missing='skip'"):
        Picture(tmp_path / "gone.jpg").decode()
    with pytest.raises(DataError, match="cannot be read"):
        Picture(tmp_path).encoded()


def test_masks_of_all_kinds_are_equal():
    mask = np.zeros((9, 8), bool)
    mask[2:5, 3:7] = True
    polygon = [np.array([3.0, 2, 7, 2, 7, 5, 3, 5])]
    plain = {"size": [9, 8], "counts": [29, 3, 6, 3, 6, 3, 6, 3, 13]}
    png = encoded(mask.astype(np.uint8))
    masks = ObjectMasks([polygon, encode_rle(mask), plain, png], (9, 8))
    np.testing.assert_array_equal(masks(), np.stack([mask] * 4))
    for index in range(4):
        image = Image.open(io.BytesIO(masks.png(index)))
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), mask.astype(np.uint8))
    assert len(masks[np.array([True, False, False, True])]) == 2
    np.testing.assert_array_equal(ObjectMasks.pack(masks())(), masks())


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ({"size": [3, 3], "counts": [9]}, "not belong together"),
        ({"counts": [9]}, "run-length"),
        ([np.array([1.0, 2, 3])], "x1 y1"),
        (b"xx", "not a PNG"),
        (encoded(np.zeros((9, 8, 3), np.uint8)), "one channel"),
        (encoded(np.zeros((8, 9), np.uint8)), "not belong together"),
    ],
)
def test_damaged_masks(segment, message):
    with pytest.raises(DataError, match=message):
        ObjectMasks([segment], (9, 8))()


BROKEN = {
    "boxes as list": ({"boxes": [[1, 2, 3, 4]]}, r"boxes must be .* received a list"),
    "boxes64": ({"boxes": np.ones((2, 4))}, "float32 of shape .* received float64"),
    "labels": ({"category_ids": np.array([2])}, r"of shape \(2\), received .*\(1,\)"),
    "unknown": ({"category_ids": np.array([2, 3])}, "category 3, which is none"),
    "outside": (
        {"boxes": np.array([[0, 0, 31, 2], [0, 0, 1, 1]], np.float32)},
        r"inside 30 x 20 .* \[0.0, 0.0, 31.0, 2.0\]",
    ),
    "turned": (
        {"boxes": np.array([[5, 5, 1, 9], [0, 0, 1, 1]], np.float32)},
        "x1 < x2",
    ),
    "crowd": ({"crowd": np.zeros(2, np.int64)}, "crowd must be .* bool"),
    "id": ({"image_id": "5"}, "whole number"),
    "masks": (
        {"packed_masks": ObjectMasks.pack(np.ones((1, 20, 30), bool))},
        r"masks must be .*\(2, 20, 30\), received bool of shape \(1, 20, 30\)",
    ),
    "size": ({"size": (30, 20)}, "inside 20 x 30"),
    "picture": (
        {"picture": Picture(np.zeros((20, 31, 3), np.uint8))},
        "do not belong to these annotations",
    ),
    "features": (
        {
            "roi_boxes": np.zeros((3, 4), np.float32),
            "roi_features": np.zeros((2, 5), np.float32),
        },
        r"roi_features must be .*\(3, any\)",
    ),
    "no regions": ({"roi_features": np.zeros((2, 5), np.float32)}, "roi_boxes must"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_examples_that_cannot_be_used(kind):
    changes, message = BROKEN[kind]
    with pytest.raises(DataError, match=message):
        check_dataset(Few(make_example(), make_example(**changes)))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": ""}, "text `name`"),
        ({"__getitem__": None}, "method `__getitem__`"),
        ({"categories": None}, "list of Category, received None"),
        ({"categories": ["cat"]}, "list of Category"),
        ({"categories": []}, "no categories"),
        ({"categories": [Category(1, "a"), Category(1, "b")]}, "the id 1"),
        ({"categories": [Category(1, "a"), Category(2, "a")]}, "the name 'a'"),
        ({"__len__": lambda self: 3}, "no image 1"),
        ({"__getitem__": lambda self, i: {"boxes": 1}}, "an Example, received a dict"),
    ],
)
def test_objects_that_are_no_datasets(attributes, message):
    with pytest.raises(DataError, match=message):
        check_dataset(type("Broken", (Few,), attributes)(make_example()))


def test_a_class_is_no_dataset():
    with pytest.raises(DataError, match=r"write Few\(\.\.\.\)"):
        check_dataset(Few)


def test_only_a_few_examples_are_tried():
    bad = replace(make_example(), image_id=None)
    check_dataset(Few(make_example(), bad, make_example()), examples=2)
