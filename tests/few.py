"""A distillation so small that it takes seconds; it learns nothing."""

import vild
from vild.backends import keras
from vild.data.drawn_dataset import DrawnObjects
from vild.recipes import changed, get_recipe

CHANGES = [
    "batch_size=2",
    "steps=4",
    "save_every=2",
    "inputs.image_size=64",
    "inputs.max_objects=4",
    "inputs.max_rois=6",
    "model.width=4",
    "model.channels=8",
    "model.region_units=16",
    "losses.anchors=16",
    "losses.anchor_positives=8",
    "losses.pre_nms_proposals=20",
    "losses.num_proposals=10",
    "losses.regions=8",
    "losses.region_positives=4",
    "losses.masks=2",
    "settings.image_size=64",
    "settings.num_proposals=10",
]


def few_steps(*changes, name="tiny-ensemble"):
    return changed(get_recipe(name), [*CHANGES, *changes])


def few_distill(out, *changes, dataset=None, **options):
    options = {"teacher": "shapes", "quiet": True, "threads": 1, **options}
    # Compiled by XLA the first step takes longer than the whole training does without.
    if keras.backend.backend() == "tensorflow":
        options.setdefault("compiled", False)
    options.setdefault("recipe", few_steps(*changes))
    if not {"proposals", "embeddings", "detector"} & set(options):
        options.setdefault("first_stage", few_steps(name="tiny-rpn"))
    if dataset is None:
        dataset = DrawnObjects("train:8")
    return vild.distill(dataset, out=out, **options)


def weights(detector):
    return [keras.ops.convert_to_numpy(v.value) for v in detector.model.variables]
