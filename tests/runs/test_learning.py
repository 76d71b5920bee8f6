"""A tenth of the `tiny` recipe learns to name drawn objects, and says how well."""

import os

import pytest

from vild.data.drawn_dataset import DrawnObjects
from vild.evaluation.evaluating import box_metrics
from vild.recipes import changed, get_recipe
from vild.runs.looking import look_at
from vild.runs.network import make_network
from vild.runs.run import train

# One backend is enough here; benchmarks/tiny_backends.py trains in full on all three.
ON = "torch"


@pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND") != ON,
    reason=f"learns on {ON}; on all backends: python benchmarks/tiny_backends.py",
)
def test_tiny_learns_base_and_novel_classes(tmp_path):
    scenes = DrawnObjects("val:30")
    recipe = changed(
        get_recipe("tiny"),
        [
            "steps=300",
            "save_every=150",
            "optimizer.boundaries=250",
            "model.batch_norm_momentum=0.9",
        ],
    )
    rows = []
    look = look_at(scenes)

    def note(detector):
        rows.append(look(detector))
        return rows[-1]

    detector = train(
        recipe, "drawn:train", tmp_path, teacher="shapes", look=note, quiet=True
    )
    untrained = make_network(recipe, detector.model.config["dim"])
    learned = rows[-1]["AP50_base"]
    for new, old in zip(detector.model.variables, untrained.variables, strict=True):
        new.assign(old.value)
    chance = box_metrics(detector, scenes, limit=15)["AP50_base"]
    # Measured: 0.3 for base and 0.2 for novel classes, of which no label was seen.
    assert chance < 0.02
    assert learned > 0.12
    assert rows[-1]["AP50_novel"] > 0.06
    assert learned > rows[0]["AP50_base"]
