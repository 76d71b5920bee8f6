import numpy as np
import pytest
from PIL import Image

from vild.data.dataset import check_dataset
from vild.data.objects365 import Objects365
from vild.data.opening import objects365, voc
from vild.data.voc import CLASSES
from vild.errors import DataError

pytestmark = pytest.mark.numpy

IMAGE = """<annotation><filename>2008_000123.jpg</filename>
<size><width>40</width><height>30</height><depth>3</depth></size>
<object><name>sofa</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>11</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object>
<object><name>tvmonitor</name><difficult>1</difficult>
<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>9.5</xmax><ymax>8</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def folder(tmp_path):
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / "VOC2012" / part).mkdir(parents=True)
    folder = tmp_path / "VOC2012"
    (folder / "Annotations" / "2008_000123.xml").write_text(IMAGE)
    Image.new("RGB", (40, 30)).save(folder / "JPEGImages" / "2008_000123.jpg")
    (folder / "ImageSets" / "Main" / "val.txt").write_text("2008_000123\n")
    (folder / "ImageSets" / "Main" / "cat_val.txt").write_text("2008_000123 -1\n")
    return folder


def test_boxes_begin_and_end_at_the_edges_of_pixels(folder):
    dataset = check_dataset(voc(str(folder / "val")))
    assert dataset.name == "VOC2012/val"
    assert [c.name for c in dataset.categories] == list(CLASSES)
    example = dataset[0]
    assert example.image_id == 2008000123
    np.testing.assert_array_equal(example.boxes, [[0, 10, 40, 30], [4, 4, 9.5, 8]])
    assert example.category_ids.tolist() == [18, 20]
    assert example.crowd.tolist() == [False, True]
    assert example.image.shape == (30, 40, 3)
    assert dataset.categories[19].synonyms == ("tv monitor",)


@pytest.mark.parametrize("name", ["somewhere/else.png", "2008_000123", "other.jpg"])
def test_the_name_in_the_list_goes_before_that_in_the_file(folder, name):
    path = folder / "Annotations" / "2008_000123.xml"
    path.write_text(IMAGE.replace("2008_000123.jpg", name))
    Image.new("RGB", (4, 3)).save(folder / "JPEGImages" / "other.jpg")
    assert voc(str(folder / "val"))[0].image.shape == (30, 40, 3)


def test_an_image_is_needed_only_when_it_is_looked_at(folder):
    (folder / "JPEGImages" / "2008_000123.jpg").unlink()
    example = voc(str(folder / "val"))[0]
    assert len(example.boxes) == 2
    with pytest.raises(DataError, match="2008_000123"):
        _ = example.image


def test_a_list_of_one_class_is_read_too(folder):
    assert len(voc(str(folder / "cat_val"))) == 1


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("<width>40</width>", "", "no width"),
        ("<xmax>40</xmax>", "<xmax>0</xmax>", "a box has no area"),
        ("</annotation>", "", "not of VOC's form"),
        ("<name>sofa</name>", "<name></name>", "no name"),
    ],
)
def test_damaged_annotations(folder, before, after, message):
    path = folder / "Annotations" / "2008_000123.xml"
    path.write_text(IMAGE.replace(before, after))
    with pytest.raises(DataError, match=message):
        voc(str(folder / "val"))


def test_a_list_that_is_not_there(folder):
    with pytest.raises(DataError, match=r"there are val: give voc:FOLDER/SPLIT"):
        voc(str(folder / "test"))
    with pytest.raises(DataError, match=r"has the lists of images val: name one"):
        voc(str(folder))


def test_objects365_lies_in_folders_of_its_own(tmp_path):
    (tmp_path / "val" / "patch16").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "val" / "patch16" / "a.jpg")
    (tmp_path / "zhiyuan_objv2_val.json").write_text(
        '{"images": [{"id": 3, "height": 6, "width": 8, '
        '"file_name": "images/v2/patch16/a.jpg"}], "annotations": [{"id": 1, '
        '"image_id": 3, "category_id": 2, "bbox": [1, 1, 4, 4], "area": 16, '
        '"iscrowd": 0}], "categories": [{"id": 1, "name": "Person"}, '
        '{"id": 2, "name": "Moniter/TV"}]}'
    )
    dataset = objects365(str(tmp_path))
    assert isinstance(dataset, Objects365)
    assert dataset[0].image.shape == (6, 8, 3)
    assert dataset.categories[1].synonyms == ("Monitor/TV",)
    assert dataset.categories[0].synonyms == ()
