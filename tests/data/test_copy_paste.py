from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_datasets import Few, make_example

from vild.data.batches import Batches
from vild.data.box_masks import crop_mask
from vild.data.copy_paste import Layer, copy_paste, covered_share
from vild.data.drawn_dataset import DrawnObjects
from vild.data.input_settings import InputSettings
from vild.data.labelled import LabelledExamples
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture
from vild.data.training_input import Draws, training_input

pytestmark = pytest.mark.numpy

SIDE = 64
SETTINGS = InputSettings(SIDE, scale=(1, 1), distill=True, copy_paste=1)
WHOLE = Draws()


class All:
    """Chance that chooses every object."""

    def random(self, count):
        return np.zeros(count)


def rectangles(*boxes):
    masks = np.zeros((len(boxes), SIDE, SIDE), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


def example(*boxes, seed=0, rois=((0, 0, 9, 9),)):
    pixels = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    return make_example(
        image_id=seed,
        picture=Picture(pixels),
        size=(SIDE, SIDE),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        category_ids=np.full(len(boxes), 2 if seed else 7),
        packed_masks=ObjectMasks.pack(rectangles(*boxes)),
        roi_boxes=np.array(rois, np.float32),
        roi_features=np.ones((len(rois), 4), np.float32),
    )


def layer(example, draws=WHOLE, settings=SETTINGS, masks=True):
    read = LabelledExamples(Few(example), {2: 1, 7: 2}, True, settings.distill)[0]
    shown = training_input(
        read.image,
        read.boxes,
        read.classes,
        read.masks if masks else None,
        draws,
        settings,
        read.roi_boxes,
        read.roi_features,
    )
    return Layer(read, draws, shown)


def pasted(target, source, settings=SETTINGS, masks=True):
    target, source = layer(target, masks=masks), layer(source)
    return copy_paste(target, source, settings, All()), target.shown, source.shown


def test_what_is_pasted_hides_what_is_under_it():
    target = example((4, 4, 24, 24), (30, 30, 50, 50), (12, 40, 20, 60))
    source = example((14, 2, 40, 40), seed=1)
    found, under, over = pasted(target, source)
    cover = rectangles((14, 2, 40, 40))[0]
    np.testing.assert_array_equal(found.pixels[cover], over.pixels[cover])
    np.testing.assert_array_equal(found.pixels[~cover], under.pixels[~cover])
    # Left of the first one are 10 columns; the second one keeps its extent; the third
    # is not touched.
    expected = [[4, 4, 24, 14], [30, 30, 50, 50], [40, 12, 60, 20], [2, 14, 40, 40]]
    assert found.boxes.tolist() == expected
    assert found.classes.tolist() == [2, 2, 2, 1]
    assert found.rows.tolist() == [0, 1, 2, -1]
    left = rectangles((4, 4, 24, 24), (30, 30, 50, 50)) & ~cover
    for row, mask in enumerate([*left, None, cover]):
        if mask is None:
            np.testing.assert_array_equal(found.masks[row], under.masks[row])
        else:
            crop = crop_mask(mask, found.boxes[row]).astype(np.float16)
            np.testing.assert_array_equal(found.masks[row], crop)
    assert found.masks[1][:40, :40].max() == 0, "hidden"


def test_too_little_left_is_none():
    # 15 % of the first are left, 40 % of the second.
    target = example((0, 0, 20, 10), (0, 20, 20, 30))
    source = example((3, 0, 30, 10), (5, 19, 30, 28), seed=1)
    found, _, _ = pasted(target, source)
    assert found.rows.tolist() == [1, -1, -1]
    target = example((0, 0, 20, 10))
    found, _, _ = pasted(target, example((0, 0, 40, 40), seed=1))
    assert found.rows.tolist() == [-1]


def test_a_tiny_object_between_the_pixels_is_hidden_too():
    big = make_example(
        size=(400, 400),
        picture=Picture(np.zeros((400, 400, 3), np.uint8)),
        boxes=np.array([[101, 101, 103, 103]], np.float32),
        category_ids=np.array([7]),
        packed_masks=ObjectMasks.pack(np.zeros((1, 400, 400), bool)),
    )
    settings = InputSettings(SIDE, scale=(1, 1), copy_paste=1)
    source = layer(example((10, 10, 30, 30), seed=1), settings=settings)
    found = copy_paste(layer(big, settings=settings), source, settings, All())
    assert found.rows.tolist() == [-1]


def test_regions_that_are_pasted_over_are_dropped():
    rois = ((0, 0, 20, 20), (20, 0, 40, 20), (0, 40, 9, 50), (63, 63, 90, 90))
    target = example((40, 40, 50, 50), rois=rois)
    source = example((0, 0, 25, 20), seed=1, rois=((1, 1, 5, 5),) * 4)
    found, under, _ = pasted(target, source)
    assert (found.roi_boxes[0] == -1).all()
    assert not found.roi_features[0].any()
    # A quarter of the second is covered.
    np.testing.assert_array_equal(found.roi_boxes[1:], under.roi_boxes[1:])
    assert (found.roi_features[1:] == 1).all()


def test_it_is_pasted_beside_a_photo_that_is_small():
    target = layer(example((4, 4, 24, 24)), Draws(scale=0.5))
    assert target.shown.pixels.shape == (32, 32, 3)
    source = layer(example((40, 20, 60, 44), seed=1))
    found = copy_paste(target, source, SETTINGS, All())
    assert found.pixels.shape == (44, 60, 3)
    assert found.boxes[1].tolist() == [20, 40, 44, 60]
    np.testing.assert_array_equal(
        found.pixels[20:44, 40:60], source.shown.pixels[20:44, 40:60]
    )
    assert not found.pixels[:20, 32:].any()


def test_nothing_to_paste():
    target = example((4, 4, 24, 24))
    found, under, _ = pasted(target, example(seed=1))
    assert found is under
    bare, _, _ = pasted(example(), example((4, 4, 24, 24), seed=1))
    assert bare.rows.tolist() == [-1]
    full = replace(SETTINGS, max_objects=1)
    found, under, _ = pasted(target, example((4, 4, 24, 24), seed=1), full)
    assert found is under, "there is no room"


def test_without_masks_the_boxes_are_the_same():
    target, source = example((4, 4, 24, 24)), example((14, 2, 40, 40), seed=1)
    found, _, _ = pasted(target, source)
    bare, _, _ = pasted(target, source, masks=False)
    assert bare.masks is None
    np.testing.assert_array_equal(bare.boxes, found.boxes)


SCENES = DrawnObjects("train:12", (128, 160))
LABELS = {c.id: row + 1 for row, c in enumerate(SCENES.categories) if c.base}


@given(
    st.integers(0, 11),
    st.integers(0, 11),
    st.tuples(st.booleans(), st.booleans()),
    st.tuples(st.floats(0.2, 2), st.floats(0.2, 2)),
    st.integers(0, 2**32 - 1),
)
def test_boxes_are_the_extents_of_masks(one, other, flips, scales, seed):
    settings = InputSettings(96, copy_paste=1)
    rng = np.random.default_rng(seed)
    read = LabelledExamples(SCENES, LABELS)
    layers = []
    for index, flip, scale in zip((one, other), flips, scales, strict=True):
        e, draws = read[index], Draws(flip, scale, tuple(rng.random(2)))
        shown = training_input(e.image, e.boxes, e.classes, e.masks, draws, settings)
        layers.append(Layer(e, draws, shown))
    target, source = layers
    found = copy_paste(target, source, settings, rng)
    same = found.pixels.shape == target.shown.pixels.shape and np.array_equal(
        found.pixels, target.shown.pixels
    )
    new = (found.rows < 0).sum()
    assert new <= len(source.shown.boxes)
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= 95).all()
    assert len(found.boxes) == len(found.classes) == len(found.masks)
    if not new:
        assert same
        return
    changed = [
        row
        for row, index in enumerate(found.rows)
        if index < 0
        or not np.array_equal(
            found.boxes[row], target.shown.boxes[target.shown.rows == index][0]
        )
    ]
    for row in changed:
        height, width = found.boxes[row, 2:] - found.boxes[row, :2]
        crop = found.masks[row]
        # All four sides of the box are reached: within a pixel, which is shrunk.
        y, x = int(112 * 1.5 / height) + 1, int(112 * 1.5 / width) + 1
        for side in (crop[:y], crop[-y:], crop[:, :x], crop[:, -x:]):
            assert side.max() > 0


def test_through_batches():
    settings = InputSettings(96, max_objects=5, copy_paste=0.5)
    source = Batches(SCENES, LABELS, settings, 6, threads=2)
    iterator = iter(source.from_step())
    shown, differing = [], 0
    plain = Batches(SCENES, LABELS, InputSettings(96, max_objects=5), 6)
    for step in range(6):
        batch, other = next(iterator), source.at(step)
        for key in batch:
            np.testing.assert_array_equal(batch[key], other[key])
        shown += source.images(step)
        assert [s.draws for s in source.images(step)] == [
            s.draws for s in plain.images(step)
        ]
        for row, s in enumerate(source.images(step)):
            same = np.array_equal(batch["images"][row], plain.at(step)["images"][row])
            assert same or s.pasted
            differing += not same
    told = [s.pasted for s in shown if s.pasted]
    assert 8 < len(told) < 28
    assert 5 < differing <= len(told)
    assert all(p.image_id == SCENES[p.index].image_id for p in told)


@pytest.mark.parametrize("copy_paste", [0.0, 1.0])
def test_never_and_always(copy_paste):
    settings = InputSettings(96, copy_paste=copy_paste, masks=False)
    source = Batches(SCENES, LABELS, settings, 6)
    assert all((s.pasted is not None) == copy_paste for s in source.images(0))
    assert "masks" not in source.at(0)


@given(
    st.lists(st.tuples(*[st.floats(-2, 12, width=32)] * 4), min_size=1, max_size=5),
    st.integers(0, 9),
)
def test_covered_shares(boxes, seed):
    cover = np.random.default_rng(seed).random((9, 7)) > 0.5
    boxes = np.array(boxes, np.float32)
    for box, share in zip(boxes, covered_share(cover, boxes), strict=True):
        y1, x1 = np.floor(box[:2]).clip(0, [9, 7]).astype(int)
        y2, x2 = np.ceil(box[2:]).clip(0, [9, 7]).astype(int)
        if (box[2:] > box[:2]).all() and y2 > y1 and x2 > x1:
            assert share == pytest.approx(cover[y1:y2, x1:x2].mean())
        else:
            assert share == 0
