"""How fast the steps of a distillation are here: measured on a few images."""

import dataclasses
import functools
import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.detector import Detector
from vild.embedding import Job, encode_boxes
from vild.embedding.work import choose_dtype, for_images
from vild.pretrained import load_pretrained
from vild.recipes import Recipe
from vild.runs.classes import training_classes
from vild.runs.network import make_network
from vild.runs.preparing import prepare
from vild.teachers import Teacher
from vild.vocabulary import Vocabulary

_IMAGES = 4
_BATCH = 2  # a step with more may not fit where a dry run is made
_STEPS = 5
_ENOUGH = 20.0  # seconds after which slow steps are no longer measured
_SIZES = (0.05, 0.9)  # of made-up boxes, as parts of the photo


class MadeUp:
    """A dataset with boxes and features from chance: as heavy as the real ones.

    Args:
        dataset: any.
        count: boxes per image.
        dim: of the features.
    """

    def __init__(self, dataset: Dataset, count: int, dim: int) -> None:
        self.dataset, self.count, self.dim = dataset, count, dim
        self.name, self.categories = dataset.name, dataset.categories

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int, /) -> Example:
        """One image with made-up boxes.

        Args:
            index: 0 to length - 1.

        Returns:
            The example.
        """
        example = self.dataset[index]
        rng = np.random.default_rng(index)
        rows = rng.normal(size=(self.count, self.dim)).astype(np.float32)
        return dataclasses.replace(
            example,
            roi_boxes=made_up_boxes(example.size, self.count, rng),
            roi_scores=np.ones(self.count, np.float32),
            roi_features=rows / np.linalg.norm(rows, axis=1, keepdims=True),
        )


def made_up_boxes(
    size: tuple[int, int], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Boxes from chance inside a photo.

    Args:
        size: (height, width) of the photo in pixels.
        count: how many.
        rng: where chance comes from.

    Returns:
        (count, 4) float32 x1 y1 x2 y2 in pixels.

    Example:
        >>> made_up_boxes((48, 64), 3, np.random.default_rng(0)).shape
        (3, 4)
    """
    height, width = size
    sides = rng.uniform(*_SIZES, (count, 2))
    starts = rng.uniform(0, 1 - sides)
    boxes = np.concatenate([starts, starts + sides], axis=1)
    return (boxes * [width, height, width, height]).astype(np.float32)


def seconds_per_image(recipe: Recipe, dataset: Dataset, teacher: Teacher) -> float:
    """What an image costs a training, after the step is compiled.

    Args:
        recipe: its batch is cut to a few images.
        dataset: without regions.
        teacher: of the classes, and for the size of features.

    Returns:
        Seconds.
    """
    small = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, _BATCH))
    learned = recipe.classes.classifier == "learned"
    classes = training_classes(dataset, small, None if learned else teacher)
    data = dataset
    if recipe.distils:
        data = MadeUp(dataset, recipe.inputs.max_rois, classes.rows.shape[1])
    clock = _Clock()
    with kernels.devices(1) as replicas:
        trainer, batches = prepare(small, data, classes, replicas, threads=2)
        trainer.fit(
            batches.from_step(0),
            steps_per_epoch=_STEPS,
            verbose=0,
            shuffle=False,
            callbacks=[clock],
        )
    return clock.typical / small.batch_size


class _Clock(keras.callbacks.Callback):
    """Times of the steps after the first, which is compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the clock.

        Args:
            batch: not looked at.
            logs: the losses; to read one waits for the device.
        """
        float((logs or {}).get("loss", 0.0))
        self.times.append(time.perf_counter())
        if len(self.times) > 1 and self.times[-1] - self.times[0] > _ENOUGH:
            self.model.stop_training = True

    @property
    def typical(self) -> float:
        """Seconds of a step: the median."""
        return float(np.median(np.diff(self.times)))


def seconds_per_look(source: Any, recipe: Recipe | None, dataset: Dataset) -> float:
    """What an image costs a detector that proposes boxes.

    Args:
        source: a detector, preset or detector directory; None for one of `recipe`.
        recipe: of a first stage.
        dataset: whose images.

    Returns:
        Seconds.
    """
    if recipe is not None:
        words = Vocabulary(["object"], np.ones((1, recipe.model.dim), np.float32), True)
        settings = {"image_size": recipe.inputs.image_size, **recipe.settings}
        model = make_network(recipe, recipe.model.dim)
        source = Detector(model, words, **settings)
    elif not isinstance(source, Detector):
        source = load_pretrained(source)
    photos = [e.image for e in _some(dataset)]
    source.encode(photos, batch_size=len(photos), masks=False)
    began = time.perf_counter()
    source.encode(photos, batch_size=len(photos), masks=False)
    return (time.perf_counter() - began) / len(photos)


def seconds_per_crops(
    teacher: Teacher, dataset: Dataset, count: int, batch_size: int, threads: int
) -> float:
    """What the crops of an image cost the teacher.

    Args:
        teacher: any.
        dataset: whose images.
        count: boxes per image.
        batch_size: crops that are encoded together.
        threads: that make crops.

    Returns:
        Seconds.
    """
    ready = for_images(teacher, choose_dtype(teacher, None), batch_size)
    examples = list(_some(dataset))
    # A batch's worth of crops is enough, where an image has many.
    some = min(count, max(1, batch_size // len(examples)))

    def crops() -> float:
        rng = np.random.default_rng(0)
        jobs = [
            Job(
                functools.partial(getattr, e, "image"), made_up_boxes(e.size, some, rng)
            )
            for e in examples
        ]
        began = time.perf_counter()
        encode_boxes(jobs, ready, batch_size, threads)
        return time.perf_counter() - began

    crops()  # loads and compiles
    return crops() / (len(examples) * some) * count


def _some(dataset: Dataset) -> Iterator[Example]:
    return (dataset[i] for i in itertools.islice(range(len(dataset)), _IMAGES))
