"""A recipe's temperature is what cosines are multiplied by in its training."""

import numpy as np

import vild
from vild.backends import keras, kernels
from vild.data.drawn_dataset import DrawnObjects
from vild.recipes import changed, get_recipe
from vild.runs.classes import training_classes
from vild.runs.preparing import prepare

ops = keras.ops


def logits(temperature):
    recipe = changed(
        get_recipe("tiny"),
        ["batch_size=2", "inputs.image_size=96", f"model.temperature={temperature}"],
    )
    scenes = DrawnObjects("train:2")
    classes = training_classes(scenes, recipe, vild.teachers.get("shapes"))
    with kernels.devices(1) as replicas:
        trainer, batches = prepare(recipe, scenes, classes, replicas, threads=1)
        batch = next(iter(batches.from_step(0)))
        found = trainer.learner(batch[0] if isinstance(batch, tuple) else batch)
    model = trainer.learner.model
    assert model.config["temperature"] == temperature
    return ops.convert_to_numpy(found["classes"])


def test_cosines_are_multiplied_by_the_temperature_of_the_recipe():
    hot, cold = logits(100.0), logits(20.0)
    assert np.abs(hot).max() > 1
    # The same weights and regions: float32 rounding of products below 100.
    np.testing.assert_allclose(0.2 * hot, cold, rtol=0, atol=2e-5)
