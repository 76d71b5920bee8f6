"""Makes steps of a small training on several devices and writes what came out.

    KERAS_BACKEND=... python devices_program.py DEVICES OUT.npz START.npz PARTS

A batch is the same whatever the number of devices; so must be the steps. Beside its
losses each step notes those that devices divide by their own counts, and, where one
device has all of the batch, the mean of the losses of PARTS parts of it.
"""

import dataclasses
import os
import sys
from pathlib import Path

NUMBER, OUT, START, PARTS = (
    int(sys.argv[1]),
    Path(sys.argv[2]),
    Path(sys.argv[3]),
    int(sys.argv[4]),
)
BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "jax":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    # Compiling costs more than the steps.
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
if BACKEND == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, logical)

import numpy as np  # noqa: E402
from small import Imitating, small_recipe  # noqa: E402

import vild.teachers  # noqa: E402
from vild.backends import keras, kernels  # noqa: E402
from vild.runs.classes import training_classes  # noqa: E402
from vild.runs.preparing import prepare  # noqa: E402

STEPS = 2


def key(variable):
    return variable.path.replace("/", "|")


def also_noted(trainer):
    """Lets a trainer note losses with other counts, from the same outputs."""
    losses_of, learner = trainer.losses_of, trainer.learner
    whole = learner.settings
    released = dataclasses.replace(whole, per_replica=True)
    kinds = ("own", "parts") if replicas.count == 1 else ("own",)
    for name in list(trainer.trackers):
        for kind in kinds:
            trainer.trackers[f"{kind}:{name}"] = keras.metrics.Mean(f"{kind}:{name}")

    def note(kind, found):
        for name, value in found.items():
            value = keras.ops.stop_gradient(value)
            value = kernels.mean_over_replicas(value)
            trainer.trackers[f"{kind}:{name}"].update_state(value)

    def mean_of_parts(batch, outputs):
        size = 4 // PARTS
        each = [
            losses_of(
                *keras.tree.map_structure(
                    lambda x, i=i: x[i * size : (i + 1) * size], (batch, outputs)
                )
            )
            for i in range(PARTS)
        ]
        return {name: sum(one[name] for one in each) / PARTS for name in each[0]}

    def all_of_them(batch, outputs):
        if "parts" in kinds:
            note("parts", mean_of_parts(batch, outputs))
        learner.settings = released
        note("own", losses_of(batch, outputs))
        learner.settings = whole
        return losses_of(batch, outputs)

    trainer.losses_of = all_of_them


def values_of(trainer):
    variables = trainer.learner.variables
    return {key(v): keras.ops.convert_to_numpy(v.value) for v in variables}


recipe = small_recipe(
    "batch_size=4",
    "steps=3",
    "optimizer.warmup=0",
    "inputs.max_rois=6",
    "model.share_batch_norm=true",
    "model.ensemble=true",
    "losses.distill_weight=1",
)
dataset = Imitating("train:8")
classes = training_classes(dataset, recipe, vild.teachers.get("shapes"))
found = {}
with kernels.devices(NUMBER) as replicas:
    trainer, batches = prepare(
        recipe, dataset, classes, replicas, compiled=BACKEND == "jax"
    )
    if START.exists():  # the weights that all runs begin with
        with np.load(START) as stored:
            for variable in trainer.learner.variables:
                variable.assign(stored[key(variable)])
    elif replicas.first:
        np.savez(START, **values_of(trainer))
    also_noted(trainer)
    for step in range(STEPS):
        history = trainer.fit(
            batches.from_step(step), steps_per_epoch=1, shuffle=False, verbose=0
        ).history
        for name, (value,) in history.items():
            found[f"{step}:loss:{name}"] = np.array(value)
        for name, value in values_of(trainer).items():
            found[f"{step}:{name}"] = value
    if replicas.first:
        np.savez(OUT, **found, count=np.array(replicas.count))
