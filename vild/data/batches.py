"""Endless batches of a dataset, for training."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vild.data.copy_paste import Layer, copy_paste
from vild.data.dataset import Dataset
from vild.data.grain_extra import import_grain, parse_flags
from vild.data.input_settings import InputSettings
from vild.data.labelled import LabelledExamples
from vild.data.packing import pack, unpack
from vild.data.reused import ReusedArrays
from vild.data.shown import Showing, Shown
from vild.data.stacking import stack
from vild.data.training_input import TrainingInput, training_input
from vild.errors import InputError

if TYPE_CHECKING:
    import grain

_MOST_THREADS = 16
_ENDLESS = 1 << 60
# Bytes from which on an array goes through shared memory. What is smaller goes through
# a pipe, which must hold all of it, or else a worker that is told to end does not.
_SHARED = 1 << 10


class Batches:
    """Endless batches of a dataset: each epoch in another order.

    What a batch holds depends on the dataset, the settings, the batch size, the seed
    and the number of the step, and on nothing else: neither on threads, processes
    and shards, nor on where a training was resumed. In each epoch every image is
    shown once; a batch may hold the end of one epoch and the beginning of the next.

    Args:
        dataset: with images of any size.
        labels: category id -> class number from 1. Objects of other categories and
            crowds are left out.
        settings: how examples are shown.
        batch_size: of all shards together.
        seed: of everything that is random.
        shard: (index, count): which part of each batch, where several hosts or
            processes share it. The parts of all shards, one after another, are the
            batch.
        threads: that decode and crop, in this process or in each worker; None for
            one per processor, shared among the workers.
        workers: processes besides this one; 0 for none.

    Attributes:
        dataset: see above.
        settings: see above.
        batch_size: see above.

    Raises:
        InputError: says which argument cannot be used.

    Threads serve about three processors: decoding and resizing leave Python's lock
    alone for two thirds of the time. Workers serve more. Each is a fresh Python that
    gets a copy of the dataset, so a script that uses them needs the line
    `if __name__ == "__main__":`, and each makes whole batches, of which one or two
    for each are in shared memory. `fit` starts them twice, since it looks at two
    batches before it begins.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> scenes = DrawnObjects("val:4")
        >>> labels = {c.id: i + 1 for i, c in enumerate(scenes.categories)}
        >>> batches = Batches(scenes, labels, InputSettings(128), batch_size=2)
        >>> {key: value.shape for key, value in batches.at(0).items()}
        {'images': (2, 128, 128, 3), 'image_shape': (2, 2), 'boxes': (2, 300, 4),
        'classes': (2, 300), 'masks': (2, 300, 112, 112), 'seeds': (2,)}
    """

    def __init__(
        self,
        dataset: Dataset,
        labels: Mapping[int, int],
        settings: InputSettings,
        batch_size: int,
        seed: int = 0,
        *,
        shard: tuple[int, int] = (0, 1),
        threads: int | None = None,
        workers: int = 0,
    ) -> None:
        index, count = shard
        _check(dataset, labels, batch_size, seed)
        _check_sharing(batch_size, index, count, threads, workers)
        self.dataset, self.settings = dataset, settings
        self.batch_size = batch_size
        self._share = batch_size // count
        self._first = index * self._share
        self._threads = threads or max(1, _processors() // max(workers, 1))
        self._workers = workers
        self._arrays = ReusedArrays()
        self._showing = Showing(len(dataset), settings, seed)
        self._examples = LabelledExamples(
            dataset,
            labels,
            masks=settings.masks or settings.copy_paste > 0,
            regions=settings.distill,
            partial=settings.classes is not None,
        )

    def from_step(self, step: int = 0) -> "grain.IterDataset[dict[str, np.ndarray]]":
        """Batches from a step on.

        Args:
            step: number of the first batch, from 0.

        Returns:
            An endless `grain.IterDataset`, which `fit` takes on every backend, with
            `steps_per_epoch`.

        Raises:
            BackendError: if Grain is not installed.
        """
        grain = import_grain()
        options = grain.ReadOptions(
            num_threads=self._threads,
            prefetch_buffer_size=max(2 * self._threads, self._share),
        )
        batches = (
            grain.MapDataset.source(_Rows(self, step))
            .to_iter_dataset(options)
            .batch(self._share, batch_fn=pack if self._workers else list)
        )
        more = grain.experimental
        if self._workers:
            parse_flags()
            options = more.DatasetOptions(min_shm_size=_SHARED)
            batches = more.WithOptionsIterDataset(batches, options)
            batches = batches.mp_prefetch(grain.MultiprocessingOptions(self._workers))
            batches = batches.map(unpack)
        # Padded here: what comes from workers is a fraction of that.
        padded = batches.map(self._stack)
        return more.ThreadPrefetchIterDataset(padded, prefetch_buffer_size=1)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: its number, from 0.

        Returns:
            What iterating gives at that step, see `vild.data.stacking.stack`. Its
            `seeds` are new for each example each time that it is shown.

        Raises:
            DataError: if an image cannot be used; names it.
        """
        return self._stack([self._row(step, row) for row in range(self._share)])

    def images(self, step: int) -> list[Shown]:
        """Which images are in the batch of a step, without decoding them.

        Args:
            step: its number, from 0.

        Returns:
            One for each row of the batch.

        Raises:
            DataError: if the dataset cannot give one.
        """
        return [self._told(self._shown(step, row)) for row in range(self._share)]

    def _shown(self, step: int, row: int) -> Shown:
        return self._showing[step * self.batch_size + self._first + row]

    def _told(self, shown: Shown) -> Shown:
        return replace(
            shown,
            image_id=self._examples.example(shown.index).image_id,
            pasted=None if shown.pasted is None else self._told(shown.pasted),
        )

    def _row(self, step: int, row: int) -> TrainingInput:
        shown = self._shown(step, row)
        return self._input(shown)._replace(seed=np.array(shown.seed, np.int32))

    def _input(self, shown: Shown) -> TrainingInput:
        layer = self._layer(shown, self.settings.masks)
        if shown.pasted is None:
            return layer.shown
        # Masks of what is pasted are made where it is pasted.
        source = self._layer(shown.pasted, masks=False)
        rng = np.random.default_rng(shown.pasted.seed)
        return copy_paste(layer, source, self.settings, rng)

    def _layer(self, shown: Shown, masks: bool) -> Layer:
        example = self._examples[shown.index]
        found = training_input(
            example.image,
            example.boxes,
            example.classes,
            example.masks if masks else None,
            shown.draws,
            self.settings,
            example.roi_boxes,
            example.roi_features,
        )
        found = found._replace(annotated=example.annotated)
        return Layer(example, shown.draws, found)

    def _stack(self, rows: Sequence[TrainingInput]) -> dict[str, np.ndarray]:
        return stack(rows, self.settings, self._arrays)


class _Rows:
    """Rows of all batches from a step on, as Grain shares them among workers.

    Of n workers each takes every n-th element and makes whole batches of them, which
    are then taken from the workers in turn; so the elements are in an order that lets
    each worker have the rows of every n-th batch.
    """

    def __init__(self, batches: Batches, step: int) -> None:
        self._batches, self._step = batches, step

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index: int) -> TrainingInput:
        batches = self._batches
        number = max(batches._workers, 1)
        turn, worker = divmod(index, number)
        step, row = divmod(turn, batches._share)
        return batches._row(self._step + step * number + worker, row)


def _processors() -> int:
    return min(os.cpu_count() or 1, _MOST_THREADS)


def _check(
    dataset: Dataset, labels: Mapping[int, int], batch_size: int, seed: int
) -> None:
    if not len(dataset):
        raise InputError(
            f"The dataset {dataset.name!r} has no images: there is nothing to train on."
        )
    if not labels or min(labels.values()) < 1:
        raise InputError(
            "labels must map category ids to class numbers from 1 on, as in {17: 1}; "
            f"received {dict(labels)!r}."
        )
    if batch_size < 1 or seed < 0:
        raise InputError(
            "batch_size must be 1 or more and seed 0 or more, received "
            f"{batch_size!r} and {seed!r}."
        )


def _check_sharing(
    batch_size: int, index: int, count: int, threads: int | None, workers: int
) -> None:
    if not 0 <= index < count or batch_size % count:
        raise InputError(
            "shard must be (index, count) with 0 <= index < count, and batch_size a "
            f"multiple of count; received {(index, count)} and {batch_size}."
        )
    if workers < 0 or (threads is not None and threads < 1):
        raise InputError(
            "threads must be 1 or more, and workers 0 or more; received "
            f"{threads!r} and {workers!r}."
        )
