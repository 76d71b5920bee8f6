"""The whole road: from a dataset and a teacher to a detector."""

import json
import os
import signal

import numpy as np
import pytest
from few import few_distill, few_steps, weights

import vild
from vild.backends import keras
from vild.data.drawn_dataset import DrawnObjects
from vild.data.stores import WithRegions, open_store
from vild.errors import DataError, InputError, TrainingError, VildError
from vild.runs.run import train
from vild.teachers.shapes import Shapes


def everything(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("run.json", "distill.json")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A distillation without interruption: its folder and what came out."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, few_distill(out)


def test_a_distillation_ends_in_a_detector_that_says_what_it_is_from(whole):
    out, made = whole
    opened = vild.load_pretrained(out / "detector")
    for one, other in zip(weights(made), weights(opened), strict=True):
        np.testing.assert_array_equal(one, other)
    boxes, store = open_store(out / "proposals"), open_store(out / "embeddings")
    assert boxes.counts.max() == 6  # as many as the recipe looks at
    told = opened.provenance
    assert told["proposals"]["fingerprint"] == boxes.fingerprint
    assert told["proposals"]["source"] == boxes.header["source"]
    assert told["embeddings"]["fingerprint"] == store.fingerprint
    assert told["embeddings"]["teacher"] == vild.teachers.fingerprint(Shapes())
    assert told["recipe"]["name"] == "tiny-ensemble"
    assert store.fingerprint in (out / "detector" / "README.md").read_text()
    assert vild.load_pretrained(out / "rpn" / "detector").own_vocabulary.names == [
        "object"
    ]
    found = opened.detect(np.zeros((50, 60, 3), np.uint8), ["golden ring"])
    assert found.embeddings.shape[1] == 64


def test_the_second_time_nothing_is_done(whole):
    out, made = whole
    before = everything(out)
    again = few_distill(out)
    assert everything(out) == before
    np.testing.assert_array_equal(weights(again)[-1], weights(made)[-1])


@pytest.mark.once
@pytest.mark.parametrize("stop_at", [1, 5])
def test_a_distillation_that_is_killed_goes_on_to_the_same_end(
    whole, tmp_path, stop_at
):
    """In the first stage and in the training itself; steps are counted over both."""
    steps = []

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)
            if len(steps) == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)

    out, expected = whole
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        few_distill(tmp_path, "save_every=4", callbacks=[Stop()])
    assert (tmp_path / "embeddings").exists() == (stop_at > 4)
    found = few_distill(tmp_path)
    for folder in ("proposals", "embeddings"):
        for path in (tmp_path / folder).iterdir():
            assert path.read_bytes() == (out / folder / path.name).read_bytes()
    # The same batches, seeds and state; on CPU the same order of operations too.
    for one, other in zip(weights(expected), weights(found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


class Other(Shapes):
    """Another teacher of the same name and space."""

    def __init__(self):
        super().__init__()
        self.fingerprint = {**self.fingerprint, "version": 2}


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ((), {"teacher": Other()}, "teacher.fingerprint.version = 1, now it is 2"),
        ((), {"dataset": DrawnObjects("train:9")}, "dataset.images = 8"),
        (("losses.l2=1",), {}, "recipe.losses.l2"),
        ((), {"count": 3}, "count = 6, now it is 3"),
        ((), {"ground_truth": True}, "ground_truth"),
        ((), {"first_stage": few_steps("seed=1", name="tiny-rpn")}, "stage.seed = 0"),
    ],
)
def test_what_has_changed_is_refused(whole, changes, options, words):
    out, _ = whole
    before = everything(out)
    with pytest.raises(TrainingError, match=words):
        few_distill(out, *changes, **options)
    assert everything(out) == before


@pytest.mark.once
def test_a_longer_training_goes_on(tmp_path):
    """With a first stage that follows from the recipe, which stays as it is."""
    made = few_distill(tmp_path, first_stage=None)
    assert json.loads((tmp_path / "rpn" / "run.json").read_text())["recipe"][
        "name"
    ].startswith("tiny-ensemble, first")
    longer = few_distill(tmp_path, "steps=6", first_stage=None)
    assert longer.provenance["steps"] == 6
    assert not np.array_equal(weights(made)[0], weights(longer)[0])


@pytest.mark.once
def test_stores_and_detectors_that_are_brought_along_are_used(whole, tmp_path):
    out, made = whole
    teacher = Shapes()  # an object, as the dataset is
    for name, path in (
        ("embeddings", out / "embeddings"),
        ("detector", vild.load_pretrained(out / "rpn" / "detector")),
    ):
        there = tmp_path / name
        found = few_distill(there, teacher=teacher, **{name: path})
        assert not (there / "rpn").exists()
        assert (there / "embeddings").exists() == (name != "embeddings")
        # On one machine the same boxes, crops and steps.
        for one, other in zip(weights(made), weights(found), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_store_of_another_teacher_or_dataset_is_refused(whole, tmp_path):
    out, _ = whole
    store = out / "embeddings"
    with pytest.raises(DataError, match="two teachers cannot be mixed"):
        few_distill(tmp_path / "a", embeddings=store, teacher=Other())
    data = WithRegions(DrawnObjects("train:8"), store)
    with pytest.raises(DataError, match="two teachers cannot be mixed"):
        train(few_steps(), data, tmp_path / "a", teacher=Other())
    with pytest.raises(DataError, match="made for the dataset"):
        few_distill(tmp_path / "a", embeddings=store, dataset=DrawnObjects("train:9"))
    assert not (tmp_path / "a").exists()


def test_a_shard_that_is_damaged_is_made_again(whole):
    out, _ = whole
    shard = next((out / "embeddings").glob("shard-*"))
    before = shard.read_bytes()
    shard.write_bytes(before[:-100])
    with pytest.warns(UserWarning, match="made anew"):
        few_distill(out)
    assert shard.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipe": "vild-text"}, "distils nothing"),
        ({"recipe": "tiny-ensembl"}, "did you mean tiny-ensemble"),
        ({"teacher": "nobody"}, "nobody"),
        ({"dataset": DrawnObjects("train:0")}, "no images"),
        ({"proposals": "no/store"}, "no store"),
        ({"proposals": "a", "detector": "b"}, "proposals and detector: leave out"),
        ({"count": 0}, "count must be"),
        ({"engine": "spark"}, "engines are"),
        ({"embed_workers": 0}, "Workers must be"),
    ],
)
def test_bad_input_is_told_and_nothing_trained(tmp_path, options, words):
    with pytest.raises(VildError, match=words):
        few_distill(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="no folder of a distillation"):
        few_distill(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_no_boxes_at_all_are_told(tmp_path):
    (tmp_path / "boxes.json").write_text(json.dumps([]))
    with (
        pytest.warns(UserWarning, match="have no boxes"),
        pytest.raises(DataError, match="no box in any image"),
    ):
        few_distill(tmp_path / "run", detector=tmp_path / "boxes.json")
