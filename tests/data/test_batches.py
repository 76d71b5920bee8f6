import numpy as np
import pytest
from small_datasets import Few, make_example

from vild.data.batches import Batches
from vild.data.drawn_dataset import DrawnObjects
from vild.data.input_settings import InputSettings
from vild.data.pictures import Picture
from vild.data.released_records import Records, write_records
from vild.errors import BackendError, InputError

pytestmark = pytest.mark.numpy

SMALL = InputSettings(64, max_objects=8)
SCENES = DrawnObjects("train:7", (96, 128))
LABELS = {category.id: row + 1 for row, category in enumerate(SCENES.categories)}


def batches(settings=SMALL, batch_size=4, dataset=SCENES, labels=LABELS, **options):
    return Batches(dataset, labels, settings, batch_size, **options)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].dtype == other[key].dtype
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def first(dataset, count):
    iterator = iter(dataset)
    found = [next(iterator) for _ in range(count)]
    iterator.close()
    return found


def test_what_is_in_a_batch():
    batch = batches(InputSettings((64, 100), max_objects=8)).at(0)
    shapes = {key: (value.shape, str(value.dtype)) for key, value in batch.items()}
    assert shapes == {
        "images": ((4, 64, 128, 3), "float32"),
        "image_shape": ((4, 2), "float32"),
        "boxes": ((4, 8, 4), "float32"),
        "classes": ((4, 8), "int32"),
        "masks": ((4, 8, 112, 112), "float16"),
        "seeds": ((4,), "int32"),
    }
    assert batch["image_shape"].tolist() == [[64, 100]] * 4
    assert (batch["seeds"] >= 0).all()
    assert len(set(batch["seeds"].tolist())) == 4
    for boxes, classes, masks in zip(
        batch["boxes"], batch["classes"], batch["masks"], strict=True
    ):
        real = classes > 0
        assert (classes[~real] == -1).all()
        assert (boxes[~real] == -1).all()
        assert not masks[~real].any()
        assert (boxes[real, 2:] > boxes[real, :2]).all()
        assert (masks[real].reshape(-1, 112 * 112).max(axis=1) > 0.4).all()


def test_without_masks():
    batch = batches(InputSettings(64, masks=False)).at(0)
    assert "masks" not in batch
    assert batch["boxes"].shape == (4, 300, 4)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(threads):
    source = batches(threads=threads)
    for step, batch in enumerate(first(source.from_step(), 5)):
        assert_same(batch, source.at(step))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers):
    source = batches(workers=workers, threads=2)
    for step, batch in enumerate(first(source.from_step(3), 5)):
        assert_same(batch, source.at(3 + step))


def test_it_goes_on_from_any_step():
    source = batches()
    whole = first(source.from_step(), 6)
    for step in (1, 5):
        for one, other in zip(
            first(source.from_step(step), 6 - step), whole[step:], strict=True
        ):
            assert_same(one, other)


def test_the_position_can_be_kept_by_grain():
    iterator = iter(batches().from_step())
    next(iterator)
    state = iterator.get_state()
    expected = next(iterator)
    other = iter(batches().from_step())
    other.set_state(state)
    assert_same(next(other), expected)


@pytest.mark.parametrize("count", [2, 4])
def test_shards_are_parts_of_the_batch(count):
    for step in (0, 2):
        whole = batches().at(step)
        parts = [batches(shard=(i, count)).at(step) for i in range(count)]
        joined = {key: np.concatenate([p[key] for p in parts]) for key in whole}
        assert_same(joined, whole)
    ids = [s.image_id for s in batches().images(1)]
    told = [
        s.image_id for i in range(count) for s in batches(shard=(i, count)).images(1)
    ]
    assert told == ids


def test_each_image_is_shown_once_an_epoch():
    source = batches(batch_size=4)
    shown = [s for step in range(7 * 3) for s in source.images(step)]
    orders = [
        [s.image_id for s in shown[start : start + 7]] for start in range(0, 84, 7)
    ]
    for order in orders:
        assert sorted(order) == [1, 2, 3, 4, 5, 6, 7]
    assert len({tuple(order) for order in orders}) > 8
    assert len({s.seed for s in shown}) == 84
    assert len({s.draws.scale for s in shown}) == 84
    assert 20 < sum(s.draws.flip for s in shown) < 64
    assert all(0.1 <= s.draws.scale <= 2 for s in shown)


def test_seeds():
    assert_same(batches(seed=3).at(1), batches(seed=3).at(1))
    one, other = batches(seed=3).at(1), batches(seed=4).at(1)
    assert not np.array_equal(one["seeds"], other["seeds"])
    assert not np.array_equal(one["images"], other["images"])


def test_photos_can_be_shown_whole():
    source = batches(InputSettings(64, flip=False, scale=(1, 1)))
    for shown in source.images(0):
        assert shown.draws.flip is False
        assert shown.draws.scale == 1
    images = source.at(0)["images"]
    # 96 x 128 pixels in 64 x 64: 48 rows.
    assert images[:, :48].any(axis=(2, 3)).all()
    assert not images[:, 48:].any()


def test_a_dataset_smaller_than_a_batch():
    found = batches(batch_size=16).at(0)
    assert found["images"].shape[0] == 16
    assert len({s.image_id for s in batches(batch_size=16).images(0)}) == 7


def distilled(image_id, value, count=2):
    rois = np.array([[0, 0, 30, 20], [5, 5, 10, 10]], np.float32)[:count]
    features = np.full((count, 3), value, np.float32)
    return make_example(image_id=image_id, roi_boxes=rois, roi_features=features)


def test_regions_for_distillation_go_along():
    dataset = Few(distilled(1, 1.0), distilled(2, 2.0, 1))
    settings = InputSettings(64, distill=True, max_rois=3, scale=(1, 1))
    source = batches(settings, 2, dataset, {2: 1})
    batch = source.at(0)
    assert batch["roi_boxes"].shape == (2, 3, 4)
    assert batch["roi_features"].shape == (2, 3, 3)
    for shown, boxes, features in zip(
        source.images(0), batch["roi_boxes"], batch["roi_features"], strict=True
    ):
        number = 3 - shown.image_id
        assert (features[:number] == shown.image_id).all()
        assert not features[number:].any()
        assert (boxes[number:] == -1).all()
        # 20 x 30 pixels become 43 x 64, of which the last is clipped.
        np.testing.assert_allclose(boxes[0], [0, 0, 43, 63], atol=0.1)


def test_classes_are_those_asked_for():
    dataset = Few(make_example(category_ids=np.array([900, 7])))
    batch = batches(InputSettings(64, scale=(1, 1)), 1, dataset, {900: 5}).at(0)
    assert batch["classes"][0, :2].tolist() == [5, -1]
    batch = batches(InputSettings(64, scale=(1, 1)), 1, dataset, {900: 5, 7: 1}).at(0)
    assert batch["classes"][0, :3].tolist() == [5, 1, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"seed": -1}, "seed 0 or more"),
        ({"labels": {}}, "labels must map"),
        ({"labels": {3: 0}}, "from 1 on"),
        ({"shard": (2, 2)}, "shard must be"),
        ({"shard": (0, 3)}, "a multiple of count"),
        ({"threads": 0}, "threads must be 1"),
        ({"workers": -1}, "workers 0 or more"),
        ({"dataset": Few()}, "'few' has no images"),
    ],
)
def test_arguments_that_are_none(arguments, message):
    with pytest.raises(InputError, match=message):
        batches(**arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, "image_size"),
        ({"scale": (0, 1)}, "scale must be"),
        ({"scale": (2, 1)}, "scale must be"),
        ({"max_objects": 0}, "max_objects must be 1"),
        ({"copy_paste": 1.5}, "probability"),
        ({"std": (1, 1, 0)}, "std"),
        ({"multiple": 0}, "multiple"),
    ],
)
def test_settings_that_are_none(settings, message):
    with pytest.raises(InputError, match=message):
        InputSettings(**settings)


def test_without_grain(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "grain", None)
    source = batches()
    assert source.at(0)["images"].shape == (4, 64, 64, 3), "needs none"
    with pytest.raises(BackendError, match=r"pip install vild\[train\]"):
        source.from_step()


def test_nothing_is_changed_in_the_dataset():
    canvas = np.full((20, 30, 3), 7, np.uint8)
    example = make_example(picture=Picture(canvas))
    boxes = example.boxes.copy()
    batches(InputSettings(64), 2, Few(example), {2: 1, 7: 2}).at(0)
    np.testing.assert_array_equal(example.boxes, boxes)
    assert (canvas == 7).all()


def test_arrays_are_used_again_but_never_while_somebody_holds_them():
    source = batches(InputSettings(64, max_objects=8, scale=(0.1, 2)), threads=2)
    iterator = iter(source.from_step())
    places, parts = set(), []
    for step in range(12):
        batch = next(iterator)
        places.add(batch["images"].ctypes.data)
        # Whatever was there before is gone from the padding.
        expected = batches(InputSettings(64, max_objects=8)).at(step)
        assert_same(batch, expected)
        if step == 5:
            parts = [(batch["images"][1], expected["images"][1])]
            parts += [(batch["masks"][2:, :3], expected["masks"][2:, :3])]
    assert len(places) < 8
    for part, expected in parts:
        np.testing.assert_array_equal(part, expected)


def test_records_give_the_batches_of_what_they_were_written_from(tmp_path):
    write_records(SCENES, tmp_path, "train", shards=2)
    records = Records(tmp_path)
    one, other = batches().at(1), batches(dataset=records).at(1)
    for key in ("images", "classes", "seeds"):
        np.testing.assert_array_equal(one[key], other[key])
    # Boxes are shares of the image there, in single precision.
    np.testing.assert_allclose(one["boxes"], other["boxes"], atol=1e-4)
    assert np.abs(one["masks"] - other["masks"]).mean() < 1e-4
