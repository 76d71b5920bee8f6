import contextlib
import csv
import json
import os
import resource
import signal

import numpy as np
import pytest
from small import small_recipe, small_train, weights

import vild
from vild.backends import keras
from vild.errors import TrainingError, VildError
from vild.runs.checkpoint import read_state


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training without interruption: its folder and what came out."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    looks = []

    def look(detector):
        looks.append(detector)
        return {"AP50_base": 0.1 * len(looks)}

    return out, small_train(out, look=look)


def test_a_training_ends_in_a_detector_that_opens(whole):
    out, trained = whole
    opened = vild.load_pretrained(out / "detector")
    for one, other in zip(weights(trained), weights(opened), strict=True):
        np.testing.assert_array_equal(one, other)
    assert opened.own_vocabulary.base.sum() == 80
    assert len(opened.own_vocabulary) == 100
    assert opened.settings.image_size == 64
    assert opened.provenance["recipe"]["batch_size"] == 2
    assert opened.provenance["dataset"]["images"] == 8
    # Words that it was never trained on are encoded by its teacher.
    assert opened.detect(np.zeros((50, 60, 3), np.uint8), ["golden ring"]) is not None


def test_what_was_measured_is_in_a_table(whole):
    out, _ = whole
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4"]
    for name in ("loss", "rpn_score_loss", "mask_loss", "class_loss", "l2_loss"):
        assert float(rows[0][name]) > 0
    assert float(rows[1]["AP50_base"]) == pytest.approx(0.2)
    assert float(rows[0]["learning_rate"]) > 0
    assert read_state(out / "checkpoints" / "best")["step"] == 4
    assert json.loads((out / "run.json").read_text())["teacher"]["name"] == "shapes"


def test_tensorboard_shows_what_is_in_the_table(whole):
    reason = "no tensorboard: pip install '.[train]'"
    pytest.importorskip("tensorboard", reason=reason)
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util

    out, _ = whole
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    events = event_accumulator.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    shown = {
        tag: [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in found]
        for tag in events.Tags()["tensors"]
        for found in [events.Tensors(tag)]
    }
    for name in ("loss", "rpn_score_loss", "mask_loss", "class_loss", "l2_loss"):
        expected = [(int(row["step"]), float(row[name])) for row in rows]
        # An event holds float32.
        np.testing.assert_allclose(shown[f"loss/{name}"], expected, rtol=1e-6)
    np.testing.assert_allclose(shown["look/AP50_base"], [(2, 0.1), (4, 0.2)], rtol=1e-6)
    assert "look/learning_rate" in shown


def test_a_training_that_is_stopped_goes_on_exactly(whole, tmp_path):
    """Termination in the middle of a round, and the same call again."""
    _, expected = whole
    out = tmp_path / "stopped"

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="step 2"):
        small_train(out, "save_every=4", callbacks=[Stop()])
    assert read_state(out / "checkpoints" / "last")["step"] == 2
    found = small_train(out)
    # The same batches, seeds and state; on CPU the same order of operations too.
    for one, other in zip(weights(expected), weights(found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.once
def test_the_best_checkpoint_outlives_a_stop_and_worse_rounds(tmp_path):
    found = iter([0.5, 0.4])

    def look(detector):
        return {"AP50_base": next(found)}

    class Stop(keras.callbacks.Callback):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            if self.seen == 3:  # heard after the next one
                os.kill(os.getpid(), signal.SIGTERM)

    best = tmp_path / "checkpoints" / "best"
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        small_train(tmp_path, "steps=6", "save_every=2", look=look, callbacks=[Stop()])
    assert read_state(best)["step"] == 2
    small_train(tmp_path, "steps=6", "save_every=6", look=look)
    assert read_state(best)["step"] == 2
    with (tmp_path / "history.csv").open() as file:
        rows = [row["AP50_base"] for row in csv.DictReader(file)]
    assert rows == ["0.5", "", "0.4"]


@pytest.mark.once
@pytest.mark.parametrize("step", [2, 4])
def test_a_round_that_was_cut_off_while_it_was_looked_at_is_looked_at(tmp_path, step):
    def look(detector):
        if detector.provenance["steps"] == step and cut_off:
            raise RuntimeError("killed")
        return {"AP50_base": 0.1 * detector.provenance["steps"]}

    cut_off = True
    with pytest.raises(RuntimeError):
        small_train(tmp_path, look=look)
    cut_off = False
    small_train(tmp_path, look=look)
    with (tmp_path / "history.csv").open() as file:
        rows = [(row["step"], float(row["AP50_base"])) for row in csv.DictReader(file)]
    assert rows == [("2", pytest.approx(0.2)), ("4", pytest.approx(0.4))]
    assert read_state(tmp_path / "checkpoints" / "best")["step"] == 4


@pytest.mark.once
def test_rates_that_several_batches_a_step_never_reach_are_told(tmp_path):
    changes = "optimizer.accumulate=2", "optimizer.boundaries=2"
    with pytest.warns(UserWarning, match="Set steps to 8"):
        small_train(tmp_path, *changes)


@pytest.mark.once
@pytest.mark.parametrize(
    "change",
    [
        "optimizer.accumulate=2",  # stopped between two halves of a step
        "optimizer.accumulate=2 optimizer.kind=adam",
        "dtype=float16",  # the scale of the loss is found along the way
    ],
)
def test_state_of_the_optimiser_goes_on_exactly(tmp_path, change):
    changes = (*change.split(), "steps=6", "save_every=6")

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:  # heard after the next one
                os.kill(os.getpid(), signal.SIGTERM)

    small_train(tmp_path / "whole", *changes)
    with pytest.raises(KeyboardInterrupt, match="step 3"):
        small_train(tmp_path / "stopped", *changes, callbacks=[Stop()])
    begun = variables(tmp_path / "stopped")
    kept = [name for name in begun if "accumulator" in name or "scale" in name]
    assert any(np.any(begun[name] != 0) for name in kept)
    small_train(tmp_path / "stopped", *changes)
    whole, stopped = variables(tmp_path / "whole"), variables(tmp_path / "stopped")
    assert whole.keys() == stopped.keys()
    for name, value in whole.items():
        # On CPU the same order of operations.
        np.testing.assert_allclose(stopped[name], value, rtol=1e-5, atol=1e-6)


def variables(out):
    """Of model and optimiser, as the last checkpoint has them."""
    with np.load(out / "checkpoints" / "last" / "variables.npz") as stored:
        return dict(stored)


def test_a_finished_training_is_not_made_again(whole):
    out, trained = whole
    before = (out / "checkpoints" / "last" / "state.json").stat().st_mtime_ns
    again = small_train(out)
    assert (out / "checkpoints" / "last" / "state.json").stat().st_mtime_ns == before
    np.testing.assert_array_equal(weights(again)[0], weights(trained)[0])


def test_a_folder_of_a_version_with_fewer_settings_goes_on(whole):
    """What it could not say yet was as it is now where nobody says otherwise."""
    out, trained = whole
    about = out / "run.json"
    told = about.read_text()
    older = json.loads(told)
    del older["recipe"]["model"]["temperature"]
    about.write_text(json.dumps(older))
    np.testing.assert_array_equal(weights(small_train(out))[0], weights(trained)[0])
    with pytest.raises(TrainingError, match=r"temperature = 100.0, now .* 24"):
        small_train(out, "model.temperature=24")
    about.write_text(told)


def test_another_training_does_not_go_into_the_same_folder(whole, tmp_path):
    out, _ = whole
    with pytest.raises(TrainingError, match=r"recipe.losses.l2 = 4e-05, now .* 0.1"):
        small_train(out, "losses.l2=0.1")
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(VildError, match="no folder of a training"):
        small_train(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_a_loss_that_is_no_number_stops_with_its_batch(tmp_path):
    with pytest.raises(TrainingError, match="no number any more") as error:
        small_train(tmp_path / "run", "optimizer.rate=1e30", "optimizer.warmup=0")
    found = list((tmp_path / "run").glob("not-a-number-*.npz"))
    assert len(found) == 1
    assert str(found[0]) in str(error.value)
    with np.load(found[0]) as kept:
        assert kept["images"].shape == (2, 64, 64, 3)
        ids = [image["image_id"] for image in json.loads(str(kept["about"]))]
    assert ", ".join(map(str, ids)) in str(error.value)


@contextlib.contextmanager
def small_files():
    """Gives a callback from whose first batch on no file grows, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Full(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))

    try:
        yield Full()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.once
def test_a_batch_that_cannot_be_kept_is_not_said_to_be(tmp_path):
    changes = "optimizer.rate=1e30", "optimizer.warmup=0"
    with (
        small_files() as full,
        pytest.raises(TrainingError, match="could not be kept"),
    ):
        small_train(tmp_path / "run", *changes, callbacks=[full])
    assert not list((tmp_path / "run").glob("*not-a-number-*"))


@pytest.mark.once
def test_a_full_disk_costs_no_checkpoint(tmp_path):
    out = tmp_path / "run"
    small_train(out, "steps=2")
    kept = (out / "checkpoints" / "last" / "variables.npz").read_bytes()

    with (
        small_files() as full,
        pytest.warns(UserWarning, match="the training goes on"),
        pytest.raises(TrainingError, match="make room"),
    ):
        small_train(out, "steps=6", callbacks=[full])
    assert (out / "checkpoints" / "last" / "variables.npz").read_bytes() == kept
    assert read_state(out / "checkpoints" / "last")["step"] == 2
    assert not [p for p in (out / "checkpoints").iterdir() if p.name.startswith(".")]


@pytest.mark.once
def test_what_a_kill_left_in_the_middle_of_a_swap_is_put_right(tmp_path):
    out = tmp_path / "run"
    small_train(out, "steps=2")
    last = out / "checkpoints" / "last"
    (last.parent / ".last.0123abcd.tmp").mkdir()  # the new one, perhaps not whole
    last.rename(last.parent / ".last.0123abcd.tmp.old")
    (out / ".run.json.0123abcd.tmp").touch()
    steps = []
    small_train(
        out,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: steps.append(batch)
            )
        ],
    )
    assert len(steps) == 2, "two of four steps were made already"
    assert sorted(p.name for p in last.parent.iterdir()) == ["best", "last"]
    assert not list(out.glob(".*"))
    # A detector of fewer steps is not taken for the finished one.
    assert vild.load_pretrained(out / "detector").provenance["steps"] == 4


def test_a_schedule_counts_steps_of_the_optimiser():
    from vild.training.optimizer import Momentum, WarmupSteps

    rates = WarmupSteps(1.0, 0, 1.0, (2,), (0.1,))
    optimizer = Momentum(rates, gradient_accumulation_steps=2)
    variable = keras.Variable([0.0])
    optimizer.build([variable])
    seen = []
    for _ in range(6):
        optimizer.apply([keras.ops.ones((1,))], [variable])
        seen.append(float(keras.ops.convert_to_numpy(variable.value)[0]))
    # Velocities 1, 1.9, 2.71 at rates 1, 1, 0.1.
    np.testing.assert_allclose(seen, [0, -1, -1, -2.9, -2.9, -3.171], rtol=1e-5)


@pytest.mark.once
def test_a_damaged_checkpoint_is_told(whole, tmp_path):
    out = tmp_path / "run"
    small_train(out, "steps=2")
    path = out / "checkpoints" / "last" / "variables.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(VildError, match="damaged"):
        small_train(out)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ((), {"teacher": None}, "name one, e.g. open_clip"),
        (("losses.distill_weight=1",), {}, "no regions with its embeddings"),
        (("batch_size=0",), {}, "batch_size must be 1 or more"),
        ((), {"devices": 7}, "devices|processes|torchrun"),
        (("model.backbone=vild.nowhere:net",), {}, "cannot be made"),
        (("model.initial_weights=no/such.npz",), {}, "cannot be read"),
    ],
)
def test_what_does_not_fit_together_is_told_before_a_step(
    tmp_path, changes, options, words
):
    with pytest.raises(VildError, match=words):
        small_train(tmp_path / "run", *changes, **options)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_parts_that_are_frozen_stay_as_they_were(tmp_path):
    from vild.runs.network import make_network

    change = "model.frozen=backbone,fpn"
    start = make_network(small_recipe(change), 64)
    before = {v.path: keras.ops.convert_to_numpy(v.value) for v in start.variables}
    trained = small_train(tmp_path / "run", change, "steps=2")
    moved = {
        v.path.split("/")[0]
        for v in trained.model.variables
        if not np.array_equal(before[v.path], keras.ops.convert_to_numpy(v.value))
    }
    assert moved == {"rpn", "region", "mask"}
