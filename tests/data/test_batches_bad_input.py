import numpy as np
import pytest
from coco_folders import SQUARE, annotation, content, save
from PIL import Image
from small_datasets import Few, encoded, make_example

from vild.data.batches import Batches
from vild.data.coco import Coco
from vild.data.input_settings import InputSettings
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.data.record_schema import to_features
from vild.data.released_records import Records, write_records
from vild.data.tf_example import encode_example
from vild.data.tfrecord import write_tfrecord
from vild.errors import DataError

pytestmark = pytest.mark.numpy

LABELS = {3: 1, 90: 2}
WHOLE = InputSettings(64, flip=False, scale=(1, 1))


def json_dataset(folder, **changes):
    annotations, images = save(folder, content(**changes))
    return Coco(annotations, images)


def records(folder, *examples, **changes):
    """Those of `make_example`, with features of the record changed."""
    features = [to_features(e, {2: "cat", 7: "dog"}) | changes for e in examples]
    write_tfrecord(folder / "train.tfrecord", map(encode_example, features))
    return Records(folder / "train.tfrecord")


def batches(dataset, settings=WHOLE, labels=LABELS, **options):
    return Batches(dataset, labels, settings, 1, **options)


def whole_epoch(dataset, **options):
    """image id -> its row."""
    source = batches(dataset, **options)
    steps = range(len(dataset))
    rows = [{key: value[0] for key, value in source.at(s).items()} for s in steps]
    return {source.images(s)[0].image_id: rows[s] for s in steps}


def at(source, steps):
    return [source.at(step) for step in range(steps)]


def iterated(source, steps):
    iterator = iter(source.from_step())
    try:
        return [next(iterator) for _ in range(steps)]
    finally:
        iterator.close()


def assert_told(dataset, message, **options):
    for read in (at, iterated):
        with pytest.raises(DataError, match=message):
            read(batches(dataset, **options), len(dataset))


def test_a_json_with_everything_that_is_odd(tmp_path):
    annotations = [
        annotation(7, 3),
        annotation(7, 90, (0, 0, 30, 20), iscrowd=1),
        annotation(40, 90, (25, 15, 50, 50)),  # reaches out
        annotation(40, 90, (5, 5, 0, 5)),  # no area
        annotation(40, 90, (100, 5, 5, 5)),  # outside
        annotation(40, 3, (4, 2, 8, 8)),
        annotation(1000, 3),  # of no image
    ]
    with pytest.warns(UserWarning, match="no area"):
        dataset = json_dataset(tmp_path, annotations=annotations)
    found = whole_epoch(dataset)
    assert {i: sum(row["classes"] > 0) for i, row in found.items()} == {
        7: 1,
        9: 0,
        40: 2,
    }
    assert found[7]["classes"][0] == 1
    assert found[40]["classes"][:2].tolist() == [2, 1]
    # 20 x 30 pixels become 43 x 64: the box is cut at the photo.
    np.testing.assert_allclose(found[40]["boxes"][0], [32.25, 53.3, 43, 63], atol=0.1)
    assert (found[9]["boxes"] == -1).all()
    assert found[9]["images"].any(), "it stays: all of it is background"


def test_records_with_everything_that_is_odd(tmp_path):
    odd = make_example(
        image_id=1,
        boxes=np.array(
            [
                [5, 5, 5, 9],
                [20, 12, 60, 50],
                [40, 5, 50, 9],
                [1, 2, 9, 9],
                [0, 0, 9, 9],
            ],
            np.float32,
        ),
        category_ids=np.array([2, 2, 2, 7, 7]),
        crowd=np.array([False, False, False, False, True]),
        packed_masks=ObjectMasks.pack(np.ones((5, 20, 30), bool)),
    )
    # What is written is cut; the released converter does not.
    outside = np.array([5 / 30, 60 / 30, 50 / 30, 9 / 30, 9 / 30], np.float32)
    empty = make_example(
        image_id=2,
        boxes=np.zeros((0, 4), np.float32),
        category_ids=np.zeros(0, np.int64),
        packed_masks=None,
    )
    dataset = records(tmp_path, odd, **{"image/object/bbox/xmax": outside})
    row = whole_epoch(dataset, labels={2: 5, 7: 9})[1]
    assert row["classes"][:3].tolist() == [5, 9, -1]
    np.testing.assert_allclose(row["boxes"][0], [25.8, 42.7, 43, 63], atol=0.1)
    row = whole_epoch(records(tmp_path, empty))[2]
    assert (row["classes"] == -1).all()
    assert row["images"].any()


def test_ids_with_gaps_and_categories_left_out(tmp_path):
    found = whole_epoch(json_dataset(tmp_path), labels={90: 1})
    assert sum(row["classes"].max() > 0 for row in found.values()) == 1
    assert found[40]["classes"][0] == 1


def test_a_missing_image(tmp_path):
    dataset = json_dataset(tmp_path)
    (tmp_path / "images" / "0040.png").unlink()
    assert_told(dataset, r"0040\.png.*not there.*fetch the missing ones")
    assert_told(dataset, r"0040\.png.*not there", workers=2)


def test_a_missing_image_can_be_skipped(tmp_path):
    annotations, images = save(tmp_path, content())
    (images / "0009.png").unlink()
    found = whole_epoch(Coco(annotations, images, missing="skip"))
    assert set(found) == {7, 40}


def test_an_image_that_is_cut_off(tmp_path):
    dataset = json_dataset(tmp_path)
    path = tmp_path / "images" / "0009.png"
    path.write_bytes(path.read_bytes()[:60])
    assert_told(dataset, r"Image 9 of 'annotations'.*0009\.png.*(damaged|not a pic)")
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    damaged = make_example(image_id=8, picture=Picture(encoded(noise, "JPEG")[:-200]))
    dataset = records(tmp_path, damaged)
    assert_told(dataset, "Image 8 of .*damaged or cut short", labels={2: 1})
    assert_told(dataset, "Image 8 of .*damaged or cut short", labels={2: 1}, workers=1)


def test_an_image_of_another_size(tmp_path):
    dataset = json_dataset(tmp_path)
    Image.new("RGB", (31, 20)).save(tmp_path / "images" / "0007.png")
    assert_told(
        dataset, r"Image 7 of .*0007\.png.* 20 x 31 .*annotations are for 20 x 30"
    )
    wider = {"image/width": np.array([31])}
    dataset = records(tmp_path, make_example(image_id=8), **wider)
    assert_told(dataset, "Image 8 of .*20 x 30.*for 20 x 31", labels={2: 1})


def test_a_record_file_that_is_cut_off(tmp_path):
    (path,) = write_records(
        Few(*[make_example(image_id=i) for i in range(1, 5)]), tmp_path, "train"
    )
    dataset = Records(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    with pytest.raises(DataError, match=r"Record 3 of .* is cut off"):
        Records(tmp_path)
    # It may also be cut off later, e.g. while it is copied anew.
    for workers in (0, 2):
        assert_told(dataset, r"number 3 \(from 0\).*changed while", workers=workers)


def test_masks_that_are_none(tmp_path):
    bare = make_example(packed_masks=None)
    assert_told(Few(bare), "Image 5 of 'few': its objects have no masks", labels={2: 1})
    found = whole_epoch(
        Few(bare),
        labels={2: 1},
        settings=InputSettings(64, masks=False, scale=(1, 1)),
    )
    assert found[5]["classes"][0] == 1
    few = make_example(packed_masks=ObjectMasks.pack(np.ones((1, 20, 30), bool)))
    assert_told(Few(few), "1 masks for 2 boxes", labels={2: 1})
    other = make_example(packed_masks=ObjectMasks.pack(np.ones((2, 9, 30), bool)))
    assert_told(Few(other), r"masks are \(9, 30\) pixels", labels={2: 1})
    broken = annotation(40, 3, segmentation={"size": [20, 30], "counts": [7]})
    # Told when the json is opened, before anything is trained.
    with pytest.raises(DataError, match=r"run lengths that cover .*'image_id': 40"):
        json_dataset(tmp_path, annotations=[broken, annotation(7, 3)])


def test_boxes_that_are_none():
    nan = make_example(boxes=np.array([[0, 0, np.nan, 5], [0, 0, 5, 5]], np.float32))
    assert_told(
        Few(nan), "Image 5 of 'few': its boxes have numbers that are not finite"
    )
    flat = make_example(boxes=np.zeros((4, 2), np.float32))
    assert_told(Few(flat), r"its boxes must be of shape \(any, 4\), but .*\(4, 2\)")
    more = make_example(category_ids=np.array([2, 2, 2]))
    assert_told(Few(more), "2 boxes, 3 categories")


def test_distillation_needs_its_regions(tmp_path):
    settings = InputSettings(64, distill=True)
    dataset = json_dataset(tmp_path)
    assert_told(dataset, "Image .* no regions with a teacher's", settings=settings)
    dataset = records(tmp_path, make_example(image_id=6))
    assert_told(dataset, "Image 6 .* no regions", settings=settings, workers=1)
    rois = np.array([[0, 0, 9, 9]], np.float32)
    uneven = make_example(roi_boxes=rois, roi_features=np.ones((2, 4), np.float32))
    assert_told(
        Few(uneven), r"roi_features must be of shape \(1, any\)", settings=settings
    )
    several = [
        make_example(roi_boxes=rois, roi_features=np.ones((1, n), np.float32))
        for n in (4, 5)
    ]
    source = Batches(Few(*several), {2: 1}, settings, 2)
    with pytest.raises(DataError, match=r"dimensions \[4, 5\]"):
        source.at(0)


class Faulty(Few):
    def __getitem__(self, index):
        raise KeyError(self)  # not even to be sent between processes


def test_faults_of_other_peoples_datasets():
    for workers in (0, 1):
        assert_told(
            Faulty(make_example()),
            "Image number 0 .*of 'few'.*KeyError",
            workers=workers,
        )


def test_masks_of_one_polygon_outside(tmp_path):
    far = [[100, 100, 120, 100, 120, 120]]
    entries = [
        annotation(7, 3, segmentation=far),
        annotation(40, 3, segmentation=SQUARE),
    ]
    found = whole_epoch(json_dataset(tmp_path, annotations=entries))
    assert found[7]["classes"][0] == 1
    assert not found[7]["masks"].any()
    assert found[40]["masks"][0].mean() > 0.8
