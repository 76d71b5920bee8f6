"""A training so small that it takes seconds; it learns nothing."""

import dataclasses

import vild.teachers
from vild.backends import keras
from vild.data.drawn_dataset import DrawnObjects
from vild.recipes import changed, get_recipe
from vild.runs.run import train

CHANGES = [
    "batch_size=2",
    "steps=4",
    "save_every=2",
    "inputs.image_size=64",
    "inputs.max_objects=4",
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
]


class Imitating(DrawnObjects):
    """Drawn objects as regions that imitate the teacher's text of their class."""

    def __getitem__(self, index):
        example = super().__getitem__(index)
        teacher = vild.teachers.get("shapes")
        names = {c.id: c.name for c in self.categories}
        found = teacher.encode_text([names[i] for i in example.category_ids.tolist()])
        return dataclasses.replace(example, roi_boxes=example.boxes, roi_features=found)


def small_recipe(*changes):
    return changed(get_recipe("tiny"), [*CHANGES, *changes])


def small_train(out, *changes, dataset=None, **options):
    # Compiled by XLA the first step takes longer than the whole training does without.
    options = {"teacher": "shapes", "quiet": True, "threads": 1, **options}
    if keras.backend.backend() == "tensorflow":
        options.setdefault("compiled", False)
    return train(
        small_recipe(*changes), dataset or DrawnObjects("train:8"), out, **options
    )


def weights(detector):
    return [keras.ops.convert_to_numpy(v.value) for v in detector.model.variables]
