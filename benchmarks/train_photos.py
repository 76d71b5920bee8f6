"""A full-size recipe on real photos, for a few steps: do the losses fall?

    python benchmarks/train_photos.py coco:instances.json TEACHER [--steps 20]

From the json with its folder of images, and from TFRecords that are written from it.
The network has its full size; images, batch and samples are cut so that a step takes
seconds on a CPU. TEACHER encodes the names of the classes, e.g.
`open_clip:ViT-B-32/openai`, or `precomputed:` with vectors from a file. Regions that
imitate the teacher are the objects themselves, and what they imitate is the text of
their class: a stand-in that costs nothing.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.data.finding import get as open_dataset
from vild.data.record_writing import write_records
from vild.data.released_records import Records
from vild.recipes import changed, get_recipe
from vild.runs.classes import training_classes
from vild.runs.preparing import prepare
from vild.teachers import get as open_teacher
from vild.vocabulary import Vocabulary

CHANGES = [
    "inputs.image_size=256",
    "inputs.max_objects=50",
    "inputs.max_rois=50",
    "inputs.scale=0.8,1.2",
    "batch_size=2",
    "losses.regions=128",
    "losses.region_positives=32",
    "losses.masks=16",
    "losses.num_proposals=300",
    "optimizer.reference_batch=2",
    "optimizer.rate=0.01",
    "optimizer.start=0.002",
    "optimizer.warmup=5",
]


class WithStandIns:
    """A dataset whose objects are regions that imitate their class's text."""

    def __init__(self, dataset: Any, teacher: Any) -> None:
        self._dataset, self.name = dataset, dataset.name
        self.categories = dataset.categories
        names = [category.name for category in dataset.categories]
        rows = Vocabulary.build(names, teacher).embeddings
        self._rows = {
            c.id: row for c, row in zip(dataset.categories, rows, strict=True)
        }

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        example = self._dataset[index]
        features = [self._rows[i] for i in example.category_ids.tolist()]
        dim = len(next(iter(self._rows.values())))
        return dataclasses.replace(
            example,
            roi_boxes=example.boxes,
            roi_scores=np.ones(len(example), np.float32),
            roi_features=np.array(features, np.float32).reshape(-1, dim),
        )


def train(dataset: Any, teacher: Any, recipe: Any, steps: int) -> bool:
    classes = training_classes(dataset, recipe, teacher)
    with kernels.devices(1) as replicas:
        trainer, batches = prepare(recipe, dataset, classes, replicas)
        began = time.monotonic()
        losses: list[float] = []

        class Note(keras.callbacks.Callback):
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                losses.append(float(logs["loss"]) * (batch + 1) - sum(losses))

        last = trainer.fit(
            batches.from_step(0),
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
            callbacks=[Note()],
        ).history
    third = max(steps // 4, 1)
    first, end = np.mean(losses[:third]), np.mean(losses[-third:])
    print(
        f"{keras.backend.backend():10} {dataset.name:32} {recipe.name:13} "
        f"{steps} steps, {(time.monotonic() - began) / steps:.1f} s each, compilation "
        f"included; loss {first:.2f} -> {end:.2f} "
        f"({'falls' if end < first else 'RISES'}); "
        f"mean {', '.join(f'{k} {v[0]:.3f}' for k, v in last.items())}",
        flush=True,
    )
    return bool(end < first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("teacher")
    parser.add_argument("--recipe", default="r50")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    recipe = changed(get_recipe(arguments.recipe), CHANGES)
    teacher = open_teacher(arguments.teacher)
    dataset = WithStandIns(open_dataset(arguments.dataset), teacher)
    falls = [train(dataset, teacher, recipe, arguments.steps)]
    with tempfile.TemporaryDirectory() as folder:
        write_records(dataset, folder, "train", 2)
        falls.append(train(Records(Path(folder)), teacher, recipe, arguments.steps))
    raise SystemExit(not all(falls))


if __name__ == "__main__":
    main()
