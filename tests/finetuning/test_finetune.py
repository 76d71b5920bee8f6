"""A detector learns classes of somebody's own."""

import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest
from few import few_steps, weights
from new_classes import KNOWN, NEW, Own, few_finetune, untrained

import vild
from vild.backends import keras
from vild.data.dataset import Category
from vild.data.drawn_dataset import DrawnObjects
from vild.data.stores import open_store
from vild.errors import DataError, InputError, TrainingError, VildError
from vild.finetuning import recipe_for
from vild.finetuning.learned import notes_of
from vild.finetuning.recipe import FROZEN
from vild.recipes import changed, get_recipe
from vild.runs.classes import training_classes
from vild.teachers.shapes import Shapes
from vild.vocabulary import Vocabulary

OLD = DrawnObjects("train:9")
# Training itself is tested on every backend.
pytestmark = pytest.mark.once
MEASURED = {"measure_on": [DrawnObjects("val:6")]}


def everything(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("run.json", "finetune.json")
    }


def moved(before, after, name):
    """Whether some variable of a part has changed."""
    old, new = (getattr(d.model, name).variables for d in (before, after))
    array = keras.ops.convert_to_numpy
    assert len(old) == len(new) > 0
    return any(
        not np.array_equal(array(one.value), array(other.value))
        for one, other in zip(old, new, strict=True)
    )


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """A fine-tuning without interruption: its folder and what came out."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    made = few_finetune(start, out, replay=OLD, replay_images=5, **MEASURED)
    return out, made


def test_it_ends_in_a_detector_that_knows_old_and_new_classes(start, whole):
    out, made = whole
    before = vild.load_pretrained(start)
    opened = vild.load_pretrained(out / "detector")
    for one, other in zip(weights(made), weights(opened), strict=True):
        np.testing.assert_array_equal(one, other)
    was, now = before.own_vocabulary, opened.own_vocabulary
    assert now.names == [*was.names, NEW]
    np.testing.assert_array_equal(now.embeddings[: len(was)], was.embeddings)
    learned = {KNOWN, NEW}
    expected = [
        name in learned or (row < len(was) and bool(was.base[row]))
        for row, name in enumerate(now.names)
    ]
    assert now.base.tolist() == expected
    assert opened.settings == before.settings
    found = opened.detect(np.zeros((50, 60, 3), np.uint8), [NEW, "a golden ring"])
    assert found.embeddings.shape[1] == 64


def test_what_is_frozen_stays_to_the_bit(start, whole):
    before, after = vild.load_pretrained(start), whole[1]
    for name in ("backbone", "fpn", "rpn"):
        assert not moved(before, after, name)
    assert moved(before, after, "region")
    assert moved(before, after, "mask")


def test_it_says_what_it_is_from_and_what_was_kept(start, whole):
    out, made = whole
    told = vild.load_pretrained(out / "detector").provenance
    assert told["fine-tuned from"]["provenance"]["recipe"]["name"] == "tiny-ensemble"
    assert told["new images"]["name"] == "own"
    assert told["replay"]["images"] == 5
    stores = [out / "embeddings", out / "replay" / "embeddings"]
    marks = [open_store(path).fingerprint for path in stores]
    assert [one["fingerprint"] for one in told["embeddings"]] == marks
    rows = told["kept"]
    assert rows == json.loads((out / "kept.json").read_text())
    # On the validation images, and on old images that were not replayed.
    assert {row["dataset"] for row in rows} == {"drawn:val", "drawn:train"}
    assert {row["classes"] for row in rows} >= {"old", "open"}
    for row in rows:
        for name in ("AP50 before", "AP50 after", "AP before", "AP after"):
            assert 0 <= row[name] <= 1
    card = (out / "detector" / "README.md").read_text()
    assert "| drawn:val | old |" in card
    assert f"{len(made.own_vocabulary)}, of which" in card


def test_the_second_time_nothing_is_done(start, whole):
    out, made = whole
    before = everything(out)
    again = few_finetune(start, out, replay=OLD, replay_images=5, **MEASURED)
    assert everything(out) == before
    np.testing.assert_array_equal(weights(again)[-1], weights(made)[-1])


def test_cut_off_it_goes_on_to_the_same_end(start, whole, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    _, expected = whole
    options = {"replay": OLD, "replay_images": 5}
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        few_finetune(start, tmp_path / "here", callbacks=[Stop()], **options)
    assert not (tmp_path / "here" / "detector").exists()
    # Nothing in the folder says where it lies.
    shutil.move(tmp_path / "here", tmp_path / "there")
    found = few_finetune(start, tmp_path / "there", **options)
    told = (tmp_path / "there" / "run" / "run.json").read_text()
    assert str(tmp_path) not in told + json.dumps(found.provenance)
    # The same batches, seeds and state; on CPU the same order of operations too.
    for one, other in zip(weights(expected), weights(found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


class Other(Shapes):
    """Another teacher of the same name and dimension."""

    def __init__(self):
        super().__init__()
        self.fingerprint = {**self.fingerprint, "version": 2}


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        (("losses.l2=1",), {}, "recipe.losses.l2"),
        ((), {"dataset": Own(mark="other")}, "dataset.fingerprint"),
        ((), {"replay_share": 0.25}, "replay.share = 0.5, now it is 0.25"),
        ((), {"replay_images": 6}, "replay.fingerprint"),
    ],
)
def test_what_has_changed_is_refused(start, whole, changes, options, words):
    out, _ = whole
    before = everything(out)
    options = {"replay": OLD, "replay_images": 5, **options}
    with pytest.raises(TrainingError, match=words):
        few_finetune(start, out, *changes, **options)
    assert everything(out) == before


def test_another_detector_is_refused(whole, start):
    out, made = whole
    with pytest.raises(TrainingError, match="fine-tuning with detector"):
        few_finetune(made, out, replay=OLD, replay_images=5)


def test_boxes_alone_leave_the_mask_head_as_it_was(start, tmp_path):
    made = few_finetune(start, tmp_path, dataset=Own(masks=False))
    before = vild.load_pretrained(start)
    assert not moved(before, made, "mask")
    assert moved(before, made, "region")
    opened = vild.load_pretrained(tmp_path / "detector")
    assert opened.model.mask is not None
    np.testing.assert_array_equal(weights(opened)[-1], weights(made)[-1])


def test_one_branch_without_distillation_and_the_whole_network(start, tmp_path):
    first = untrained("tiny")
    changes = "losses.distill_weight=0", "model.frozen=[]"
    made = few_finetune(first, tmp_path / "a", *changes)
    assert not (tmp_path / "a" / "embeddings").exists()
    for name in ("backbone", "fpn", "rpn", "region", "mask"):
        assert moved(first, made, name)
    # From labels and the teacher; fine-tuned again it is as gentle as before.
    made = few_finetune(first, tmp_path / "b")
    assert made.provenance["recipe"]["losses"]["distill_weight"] == 0.5
    again = few_finetune(made, tmp_path / "c")
    rates = [d.provenance["recipe"]["optimizer"]["rate"] for d in (made, again)]
    assert rates[0] == rates[1]
    assert again.own_vocabulary.names == made.own_vocabulary.names


def test_one_that_only_imitated_its_teacher_learns_from_labels():
    detector = untrained("tiny-vild")
    told = changed(get_recipe("tiny-image"), [])
    detector.provenance["recipe"] = told.as_dict()
    assert told.losses.class_weight == 0
    assert recipe_for(detector).losses.class_weight == 1


def test_what_was_left_out_once_is_not_left_out_the_next_time():
    changes = "losses.distill_weight=0", "model.frozen=[]", "classes.partial=false"
    first = changed(recipe_for(untrained("tiny"), steps=7), changes)
    made = untrained("tiny")
    model = dataclasses.replace(first.model, mask_convs=None)
    recipe = dataclasses.replace(first, model=model)
    made.provenance |= {"recipe": recipe.as_dict(), "fine-tuned from": {}}
    again = recipe_for(made)
    assert (again.steps, again.optimizer.rate) == (7, first.optimizer.rate)
    assert again.losses.distill_weight > 0
    assert again.classes.partial
    assert again.model.frozen == FROZEN
    assert again.model.mask_convs == made.model.config["mask_convs"]
    assert again.name == first.name


def test_what_is_learned_and_what_is_not_is_told(start, tmp_path, capsys):
    own = Own(masks=False)
    own.categories[0] = dataclasses.replace(
        own.categories[0], base=False, excluded=True
    )
    changes = ["inputs.copy_paste=0.5", "steps=2"]
    measured = DrawnObjects("val:3")
    made = few_finetune(
        start,
        tmp_path / "run",
        *changes,
        dataset=own,
        quiet=False,
        measure_on=[measured, measured],
    )
    told = capsys.readouterr().out
    assert f"New to the detector: {NEW}." in told
    assert f"Known to it by name: {KNOWN}." in told
    assert "Objects of own have no masks, so the mask head stays as it is." in told
    assert "copy_paste is 0" in told
    rows = [(row["dataset"], row["classes"]) for row in made.provenance["kept"]]
    assert len(set(rows)) == len(rows)  # though a dataset was named twice
    row = made.own_vocabulary.names.index(KNOWN)  # though a benchmark excludes it
    assert made.own_vocabulary.base[row]


def test_what_a_category_is_taken_for_is_told():
    own = Vocabulary([["sofa", "couch"], ["stool"]], np.eye(2, 4), [True, False])
    new = Own()
    new.categories = [Category(i, n) for i, n in enumerate(("Couch", "stool", "owl"))]
    recipe = get_recipe("tiny")
    assert notes_of(own, new, recipe, recipe, []) == [
        "New to the detector: owl.",
        "Known to it by name: Couch (its sofa), stool.",
    ]
    many = [Category(i, f"thing {i}") for i in range(14)]
    new.categories = many
    assert notes_of(own, new, recipe, recipe, [])[0].endswith("thing 11 and 2 more.")


def test_nothing_that_tells_what_was_kept_is_told(start, tmp_path, capsys):
    few_finetune(start, tmp_path, "steps=1", quiet=False)
    assert "was not measured: name a dataset" in capsys.readouterr().out
    assert json.loads((tmp_path / "kept.json").read_text()) == []


def test_stores_that_are_brought_along_are_used(start, whole, tmp_path):
    """Of the replayed dataset all images are in the store, though few are shown."""
    store = whole[0] / "embeddings"
    options = {"replay_images": 3, "embeddings": store, "replay_embeddings": store}
    few_finetune(start, tmp_path, replay=Own(), **options)
    assert not (tmp_path / "embeddings").exists()
    assert not (tmp_path / "replay").exists()
    with pytest.raises(DataError, match="made for the dataset"):
        few_finetune(start, tmp_path / "b", replay=OLD, **options)


def test_what_is_not_labelled_is_not_learned_to_be_nothing(start, tmp_path):
    """Old classes keep their chances where others would be taught the background."""
    before = vild.load_pretrained(start)
    rows = before.own_vocabulary.embeddings[before.own_vocabulary.base]
    photos = [OLD[i].image for i in range(4)]

    def chances(detector):
        background = keras.ops.convert_to_numpy(detector.model.region.background)
        background = background.reshape(1, -1) / np.linalg.norm(background)
        found = detector.encode(photos, masks=False)
        regions = np.concatenate([one.text_embeddings for one in found])
        logits = 100 * regions @ np.concatenate([background, rows]).T
        logits -= logits.max(axis=1, keepdims=True)
        return 1 - (np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)).mean()

    recipe = "steps=30", "save_every=30", "optimizer.rate=0.02"
    kept = few_finetune(before, tmp_path / "a", *recipe)
    naive = few_finetune(before, tmp_path / "b", *recipe, "classes.partial=false")
    assert chances(kept) > 1.5 * chances(naive)


def test_classes_that_are_known_keep_their_vectors():
    known = Vocabulary(["Blue Ring"], np.eye(1, 64), True)
    own = Own()
    own.categories[0] = Category(own.categories[0].id, "blue ring")
    classes = training_classes(
        own, few_steps("classes.held_out=false"), Shapes(), known
    )
    np.testing.assert_array_equal(classes.rows[0], known.embeddings[0])
    fresh = Vocabulary.build([NEW], "shapes").embeddings[0]
    np.testing.assert_array_equal(classes.rows[1], fresh)


class Nothing(Own):
    def __len__(self):
        return 0


class Unlabelled(Own):
    def _rows(self, example):
        rows = super()._rows(example)
        return rows[:0] if hasattr(self, "fingerprint") else rows


def same_names():
    own = Own()
    own.categories[1] = Category(own.categories[1].id, KNOWN.upper())
    return own


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"teacher": Other()}, "fine-tune with the teacher that it was trained with"),
        ({"teacher": "nobody"}, "nobody"),
        ({"dataset": Nothing()}, "no images to learn from"),
        ({"dataset": Unlabelled()}, "has an object, so there is nothing to learn"),
        ({"dataset": same_names()}, "have the same name, spelling aside"),
        ({"replay": Nothing()}, "no images to learn from"),
        ({"replay": OLD, "replay_share": 1.0}, "between 0 and 1"),
        ({"replay": OLD, "replay_images": 0}, "whole number above 0"),
        ({"replay_embeddings": "a"}, "goes with a dataset to replay"),
        ({"embeddings": "no/store"}, "no store"),
        ({"measure_images": 0}, "1 or more"),
        ({"measure_on": [Nothing()]}, "no images to look at"),
        ({"engine": "spark"}, "engines are"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(start, tmp_path, options, words):
    with pytest.raises(VildError, match=words):
        few_finetune(start, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("classes.classifier=learned", "must be text"),
        ("model.frozen=backbone,fpn,rpn,region,mask", "nothing is left to train"),
    ],
)
def test_a_recipe_that_keeps_or_learns_nothing_is_refused(
    start, tmp_path, change, words
):
    with pytest.raises(InputError, match=words):
        few_finetune(start, tmp_path / "run", change)
    assert not (tmp_path / "run").exists()


def test_a_detector_without_an_open_vocabulary_is_refused(start, tmp_path):
    model = vild.load_pretrained(start).model
    agnostic = vild.Detector(model, Vocabulary(["object"], np.ones((1, 64)), True))
    with pytest.raises(InputError, match="no open vocabulary to keep"):
        few_finetune(agnostic, tmp_path / "run", teacher="shapes")
    with pytest.raises(InputError, match="name its teacher"):
        few_finetune(agnostic, tmp_path / "run")


def test_a_folder_of_something_else_is_left_alone(start, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="no folder of a fine-tuning"):
        few_finetune(start, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
