"""A step that XLA compiles is the step that is not compiled: a TPU runs such a one."""

import numpy as np
import pytest
from small import Imitating, small_recipe

import vild.teachers
from vild.backends import keras, kernels
from vild.runs.classes import training_classes
from vild.runs.preparing import prepare

array = keras.ops.convert_to_numpy
CHANGES = (
    "model.ensemble=true",
    "losses.distill_weight=1",
    "inputs.max_rois=6",
    "optimizer.warmup=0",
)


def one_step(compiled, start=None):
    """Losses of a step, and weights after it; before it where none are given."""
    recipe, dataset = small_recipe(*CHANGES), Imitating("train:2")
    classes = training_classes(dataset, recipe, vild.teachers.get("shapes"))
    with kernels.devices(1) as replicas:
        trainer, batches = prepare(
            recipe, dataset, classes, replicas, compiled=compiled, threads=1
        )
        variables = trainer.learner.variables
        before = {v.path: array(v.value) for v in variables}
        for variable in variables if start else ():
            variable.assign(start[variable.path])
        history = trainer.fit(
            batches.from_step(0), steps_per_epoch=1, shuffle=False, verbose=0
        ).history
        assert trainer.jit_compile == compiled
        losses = {name: value for name, (value,) in history.items()}
        return start or before, losses, {v.path: array(v.value) for v in variables}


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch's steps are not compiled by XLA"
)
def test_a_compiled_step_is_the_step():
    start, losses, after = one_step(True)
    _, expected, weights = one_step(False, start)
    assert {"distill_loss", "mask_loss", "class_loss"} < losses.keys()
    for name, value in expected.items():
        # Sums of float32 in another order.
        np.testing.assert_allclose(losses[name], value, rtol=1e-5, err_msg=name)
    moved = 0
    for name, value in weights.items():
        change = np.abs(value - start[name]).max()
        moved += change > 0
        # Rounding through thirty layers; biases in front of a batch norm have no
        # gradient but rounding.
        off = np.abs(after[name] - value).max()
        assert off <= 1e-3 * change + 1e-6, name
    assert moved > 0.9 * len(weights)
