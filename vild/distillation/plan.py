"""What a distillation would do: its steps, how long they take, what they write."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.dataset import Dataset
from vild.data.stores import open_store
from vild.distillation import calibration
from vild.distillation.road import Road, find_road
from vild.embedding.task import BATCH_SIZE
from vild.embedding.work import processors
from vild.errors import VildError
from vild.recipes import Recipe
from vild.runs.checkpoint import read_state
from vild.runs.network import make_network
from vild.teachers import Teacher

_BOX = 4 * 4 + 4  # bytes of a box and its score
_FLOAT = 4
_COPIES = 2 * 2 + 1  # weights and momentum, last and best; the detector


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: what is done.
        folder: where to.
        amount: how much of what it is, in words.
        done: from 0 to 1, how much of it is there.
        seconds: what all of it takes; None for nothing.
        size: what all of it weighs in bytes.
    """

    name: str
    folder: Path
    amount: str
    done: float
    seconds: float
    size: int


@dataclass(frozen=True)
class Plan:
    """All steps, and room on the disk.

    Attributes:
        steps: in order.
        free: bytes.
    """

    steps: list[Step]
    free: int

    @property
    def seconds(self) -> float:
        """What is left to do."""
        return sum(step.seconds * (1 - step.done) for step in self.steps)

    @property
    def size(self) -> int:
        """Bytes that are left to write."""
        return sum(math.ceil(step.size * (1 - step.done)) for step in self.steps)

    def __str__(self) -> str:
        rows = [("step", "of", "folder", "there", "time left", "on disk")]
        rows += [
            (
                step.name,
                step.amount,
                str(step.folder),
                f"{step.done:.0%}",
                _time(step.seconds * (1 - step.done)),
                _size(step.size),
            )
            for step in self.steps
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = "\n".join(
            "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows
        )
        short = "" if self.size <= self.free else ": that is not enough"
        return (
            f"{table}\n"
            f"{_time(self.seconds)} are left, as measured on a few images on one "
            "device just now.\n"
            f"{_size(self.size)} are to be written, {_size(self.free)} are free{short}."
        )


def make_plan(
    dataset: str | Dataset,
    *,
    teacher: str | Teacher,
    recipe: str | Recipe = "r50-ensemble",
    out: Any,
    first_stage: str | Recipe | None = None,
    **options: Any,
) -> Plan:
    """Tells what `vild.distill` would do; writes nothing.

    Speeds are measured on four images, trainings in batches of two, on one device.
    Where the recipe's batch keeps a device busier, or several devices share it, the
    training is faster than that.

    Args:
        dataset: as for `vild.distill`.
        teacher: as for `vild.distill`.
        recipe: as for `vild.distill`.
        out: as for `vild.distill`.
        first_stage: as for `vild.distill`.
        **options: `proposals`, `embeddings`, `detector`, `count` and `ground_truth` of
            `vild.distill`.

    Returns:
        The plan; as a text a table.

    Raises:
        VildError: for what `vild.distill` would refuse.
    """
    road = find_road(dataset, teacher, recipe, out, stage=first_stage, **options)
    road.check()
    steps = []
    if road.stage is not None:
        done = 1.0 if road.whole_proposals() else _trained(road.stage, road.rpn)
        steps.append(_training("first stage", road, road.stage, road.rpn, done))
    if not road.brought:
        steps.append(_proposals(road))
    if "embeddings" not in road.brought:
        steps.append(_embeddings(road))
    done = _trained(road.recipe, road.run)
    steps.append(_training("training", road, road.recipe, road.run, done))
    return Plan(steps, shutil.disk_usage(_nearest(road.out)).free)


def _training(name: str, road: Road, recipe: Recipe, folder: Path, done: float) -> Step:
    images = recipe.steps * recipe.batch_size
    seconds = 0.0
    if done < 1:
        seconds = calibration.seconds_per_image(recipe, road.dataset, road.loaded)
    model = make_network(recipe, int(road.loaded.dim))
    weights = sum(int(np.prod(v.shape)) for v in model.variables)
    amount = f"{recipe.steps} steps of {recipe.batch_size}"
    size = weights * _FLOAT * _COPIES
    return Step(name, folder, amount, done, seconds * images, size)


def _proposals(road: Road) -> Step:
    images = len(road.dataset)
    done = _made(road.proposals)
    seconds = 0.0
    brought_boxes = str(road.source).lower().endswith(".json")
    if done < 1 and not brought_boxes:
        seconds = calibration.seconds_per_look(road.source, road.stage, road.dataset)
    amount = f"{images} images, {road.count} boxes"
    size = images * road.count * _BOX
    return Step("proposals", road.proposals, amount, done, seconds * images, size)


def _embeddings(road: Road) -> Step:
    images, done = len(road.dataset), _made(road.embeddings)
    seconds = 0.0
    if done < 1:
        seconds = calibration.seconds_per_crops(
            road.loaded, road.dataset, road.count, BATCH_SIZE, processors()
        )
    boxes = images * road.count
    size = boxes * (_BOX + 2 * int(road.loaded.dim))
    amount = f"{2 * boxes} crops"
    return Step("embeddings", road.embeddings, amount, done, seconds * images, size)


def _trained(recipe: Recipe, folder: Path) -> float:
    """How much of a training is done."""
    try:
        step = read_state(folder / "checkpoints" / "last")["step"]
    except (VildError, KeyError):
        return 0.0
    return min(1.0, step / recipe.steps)


def _made(folder: Path) -> float:
    """How much of a store is there."""
    try:
        store = open_store(folder, partial=True)
    except VildError:
        return 0.0
    return 1 - len(store.missing_shards) / store.header["shards"]


def _nearest(path: Path) -> Path:
    """The folder that is there, of a path or above it."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def _time(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> _time(45), _time(3000), _time(200000)
        ('45 s', '50 min', '56 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _size(size: float) -> str:
    """Bytes for people.

    Example:
        >>> _size(999), _size(31e9)
        ('1 kB', '31.0 GB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{math.ceil(size / 1000)} kB"
