"""From a detector and a dataset to metrics."""

import numpy as np
import pytest
from bright_dataset import BrightThings
from handmade import bright_detector
from tiny import tiny_detector

import vild
from vild.data.drawn_dataset import DrawnObjects
from vild.errors import DataError, InputError
from vild.evaluation import box_metrics


@pytest.fixture(scope="module")
def bright():
    # Its scores are all alike, so it may only propose the brightest region.
    return bright_detector(image_size=160, num_proposals=1)


def test_a_detector_that_finds_what_is_there_scores(bright, capsys):
    metrics = vild.evaluate(bright, BrightThings(6), "coco")
    assert set(metrics) == {"bbox", "segm"}
    assert metrics["bbox"]["AP50"] == pytest.approx(1)
    assert metrics["segm"]["AP50"] == pytest.approx(1)
    # Its box is 32 wide where the thing is 36: an overlap of 0.79.
    assert metrics["bbox"]["AP"] == pytest.approx(0.6)
    assert "AP50        100.0   100.0" in capsys.readouterr().out


@pytest.mark.once
def test_boxes_alone_are_measured_silently(bright, capsys):
    full = vild.evaluate(bright, BrightThings(6), "coco")["bbox"]
    capsys.readouterr()
    assert box_metrics(bright, BrightThings(6), "coco", batch_size=4) == full
    assert capsys.readouterr().out == ""


@pytest.mark.once
def test_only_the_first_images_count_when_asked(bright):
    small = box_metrics(bright, BrightThings(6), "coco", limit=2)
    assert small == box_metrics(bright, BrightThings(2), "coco")


def test_base_and_novel_categories_are_told_apart():
    scenes = DrawnObjects("val:3")
    rows = np.random.default_rng(0).normal(size=(len(scenes.categories), 16))
    words = vild.Vocabulary([c.name for c in scenes.categories], rows)
    metrics = box_metrics(tiny_detector(), scenes, vocabulary=words)
    assert {"AP", "AP50_base", "AP50_novel", "APr", "APc", "APf"} <= set(metrics)
    with pytest.raises(InputError, match="has 6 classes, but the dataset"):
        vild.evaluate(tiny_detector(), scenes, vocabulary=words.subset(words.names[:6]))


def test_proposals_are_measured_without_words(bright):
    metrics = box_metrics(bright, BrightThings(4), "proposals", num_proposals=20)
    assert metrics["AR@100"] == pytest.approx(0.6)
    assert "AP" not in metrics


def test_what_cannot_be_asked_is_said(bright):
    with pytest.raises(InputError, match="no protocol 'lviz'; there are: lvis"):
        vild.evaluate(bright, BrightThings(1), "lviz")
    with pytest.raises(DataError, match="no frequency r, c or f"):
        vild.evaluate(bright, BrightThings(1), "lvis")
    with pytest.raises(InputError, match="has no images"):
        vild.evaluate(bright, BrightThings(0), "coco")
