"""Each way to train makes steps, and trains what it should."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small import Imitating, small_recipe, small_train

import vild
from vild.backends import keras
from vild.data.drawn_dataset import DrawnObjects
from vild.data.pictures import Picture
from vild.data.record_writing import write_records
from vild.data.released_records import Records
from vild.errors import DataError
from vild.runs.network import make_network

array = keras.ops.convert_to_numpy


def moved(before, detector):
    """Parts of the model of which some variable has changed."""
    return {
        "/".join(v.path.split("/")[:2])
        for v in detector.model.trainable_variables
        if not np.array_equal(before[v.path], array(v.value))
    }


def test_an_ensemble_distils_from_tfrecords_in_mixed_precision(tmp_path):
    changes = (
        "model.ensemble=true",
        "losses.distill_weight=1",
        "classes.novel=masked",
        "inputs.copy_paste=0.5",
        "dtype=bfloat16",
        "losses.l2=0",  # which would move all weights, learned or not
    )
    write_records(Imitating("train:8"), tmp_path, "train", 2)
    start = make_network(small_recipe(*changes), 64)
    before = {v.path: array(v.value) for v in start.variables}
    losses = []
    detector = small_train(
        tmp_path / "run",
        *changes,
        dataset=Records(tmp_path),
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: losses.append(logs)
            )
        ],
    )
    assert losses[0]["distill_loss"] > 0
    assert {"region/image", "region/image_projection", "mask/stack"} <= moved(
        before, detector
    )
    # Kept in full precision, whatever it was computed in.
    assert detector.settings.dtype == "float32"
    assert {v.dtype for v in detector.model.variables} == {"float32"}
    assert detector.own_vocabulary.base.sum() == 80


def test_proposals_are_learned_from_boxes_alone_with_accumulated_gradients(tmp_path):
    """The rpn recipe's classes; two batches make one step."""
    changes = (
        "classes.classifier=learned",
        "classes.agnostic=true",
        "model.mask_convs=none",
        "model.dim=8",
        "optimizer.accumulate=2",
        "save_every=1",
        "steps=2",
    )
    steps = []

    def look(detector):
        steps.append([array(v.value) for v in detector.model.trainable_variables])
        return {}

    detector = small_train(tmp_path / "run", *changes, teacher=None, look=look)
    assert detector.own_vocabulary.names == ["object"]
    assert detector.model.mask is None
    start = make_network(small_recipe(*changes), 8)
    begun = [array(v.value) for v in start.trainable_variables]
    changed = [
        [not np.array_equal(*pair) for pair in zip(step, begun, strict=True)]
        for step in steps
    ]
    assert not any(changed[0])
    # All but those of the pyramid's top, which is a single pixel here.
    assert np.mean(changed[1]) > 0.8


def test_a_closed_set_is_learned_in_float16(tmp_path):
    changes = (
        "classes.classifier=learned",
        "classes.held_out=false",
        "model.dim=8",
        "dtype=float16",
        "losses.l2=0",
        "steps=20",
        "save_every=20",
    )
    start = make_network(small_recipe(*changes), 8)
    before = {v.path: array(v.value) for v in start.variables}
    detector = small_train(tmp_path / "run", *changes, teacher=None)
    assert len(detector.own_vocabulary) == 100
    # The scale of the loss begins too high and is halved until gradients are numbers.
    assert {"region/text", "rpn/scores", "mask/stack"} <= moved(before, detector)
    assert all(np.isfinite(array(v.value)).all() for v in detector.model.variables)
    found = detector.detect(np.zeros((64, 64, 3), np.uint8), score_threshold=0.0)
    assert np.isfinite(found.scores).all()


def test_distillation_alone_begins_from_another_detector(tmp_path):
    small_train(tmp_path / "first", "steps=2")
    detector = small_train(
        tmp_path / "second",
        "losses.distill_weight=1",
        "losses.class_weight=0",
        "losses.l2=0",
        f"model.initial_weights={tmp_path / 'first' / 'detector'}",
        "model.frozen=backbone,fpn,rpn",
        "steps=2",
        dataset=Imitating("train:8"),
    )
    first = vild.load_pretrained(tmp_path / "first" / "detector")
    before = {v.path: array(v.value) for v in first.model.variables}
    # Of the region head all but the background, which only classes compete with.
    assert moved(before, detector) >= {"region/text", "region/text_projection"}
    assert "region/background" not in moved(before, detector)
    for variable in detector.model.backbone.variables:
        np.testing.assert_array_equal(array(variable.value), before[variable.path])


def test_masks_are_asked_for_only_where_they_are(tmp_path):
    class Boxes(DrawnObjects):
        def __getitem__(self, index):
            return dataclasses.replace(super().__getitem__(index), packed_masks=None)

    with pytest.raises(vild.VildError, match="mask_convs=none"):
        small_train(tmp_path / "run", dataset=Boxes("train:8"))
    changes = ["model.mask_convs=none", "inputs.copy_paste=0.5"]
    with pytest.raises(vild.VildError, match="copy_paste=0"):
        small_train(tmp_path / "run", *changes, dataset=Boxes("train:8"))


def test_a_missing_image_is_told_by_its_name(tmp_path):
    class Hole(DrawnObjects):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            if index != 5:
                return example
            return dataclasses.replace(example, picture=Picture(Path("gone.png")))

    with pytest.raises(DataError, match=r"gone\.png"):
        small_train(tmp_path / "run", dataset=Hole("train:8"))


def test_images_without_objects_are_background(tmp_path):
    class Empty(DrawnObjects):
        def __getitem__(self, index):
            example = super().__getitem__(index)
            return dataclasses.replace(
                example,
                boxes=example.boxes[:0],
                category_ids=example.category_ids[:0],
                packed_masks=example.packed_masks[:0],
                areas=example.areas[:0],
                crowd=example.crowd[:0],
            )

    detector = small_train(tmp_path / "run", "steps=2", dataset=Empty("train:8"))
    assert all(np.isfinite(array(v.value)).all() for v in detector.model.variables)
