"""Makes steps of a small training on several devices and writes what came out.

    KERAS_BACKEND=... python devices_program.py DEVICES OUT.npz

A batch is the same whatever the number of devices; so must be the step.
"""

import os
import sys
from pathlib import Path

NUMBER, OUT = int(sys.argv[1]), Path(sys.argv[2])
BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "jax":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
if BACKEND == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, logical)

import numpy as np  # noqa: E402
from small import small_recipe  # noqa: E402

import vild.teachers  # noqa: E402
from vild.backends import keras, kernels  # noqa: E402
from vild.data.drawn_dataset import DrawnObjects  # noqa: E402
from vild.runs.classes import training_classes  # noqa: E402
from vild.runs.preparing import prepare  # noqa: E402

STEPS = 1

recipe = small_recipe(
    "batch_size=4", "model.share_batch_norm=true", "optimizer.warmup=0", "steps=3"
)
dataset = DrawnObjects("train:8")
classes = training_classes(dataset, recipe, vild.teachers.get("shapes"))
with kernels.devices(NUMBER) as replicas:
    trainer, batches = prepare(
        recipe, dataset, classes, replicas, compiled=BACKEND == "jax"
    )
    start = {
        v.path: keras.ops.convert_to_numpy(v.value) for v in trainer.learner.variables
    }
    if Path(sys.argv[3]).exists():  # the weights that all runs begin with
        with np.load(sys.argv[3]) as stored:
            for variable in trainer.learner.variables:
                variable.assign(stored[variable.path.replace("/", "|")])
    elif replicas.first:
        np.savez(sys.argv[3], **{k.replace("/", "|"): v for k, v in start.items()})
    history = trainer.fit(
        batches.from_step(0), steps_per_epoch=STEPS, shuffle=False, verbose=0
    ).history
    values = {
        v.path.replace("/", "|"): keras.ops.convert_to_numpy(v.value)
        for v in trainer.learner.variables
    }
    if replicas.first:
        losses = {f"loss:{name}": np.array(value) for name, value in history.items()}
        np.savez(OUT, **values, **losses, count=np.array(replicas.count))
