"""A training from its recipe to a detector directory; it can be stopped at any time."""

import contextlib
import datetime
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vild.backends import keras, kernels
from vild.data import finding
from vild.data.dataset import Dataset
from vild.data.stores import EmbeddingStore
from vild.detector import Detector
from vild.embedding import check_teacher
from vild.errors import DataError, TrainingError, VildError
from vild.precision import with_dtype
from vild.recipes import Recipe, get_recipe
from vild.replicas import Replicas
from vild.runs.checkpoint import (
    Progress,
    load_checkpoint,
    save_checkpoint,
    save_state,
)
from vild.runs.checks import check_examples, embeddings_facts, warn_of_failed
from vild.runs.classes import TrainingClasses, training_classes
from vild.runs.folder import RunFolder, run_facts
from vild.runs.guard import NotANumber, StopAtSignal
from vild.runs.looking import Board, Look, score, told
from vild.runs.preparing import prepare, schedule
from vild.saving import load_detector
from vild.teachers import Teacher, fingerprint, get
from vild.vocabulary import Vocabulary


def train(
    recipe: str | Recipe,
    dataset: str | Dataset,
    out: str | os.PathLike[str],
    *,
    teacher: str | Teacher | None = None,
    look: Look | None = None,
    devices: int | None = None,
    threads: int = 2,
    workers: int = 0,
    compiled: bool | None = None,
    callbacks: Sequence[Any] = (),
    quiet: bool = False,
    detector: str | os.PathLike[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    known: Vocabulary | None = None,
) -> Detector:
    """Trains a detector.

    The same call goes on where the last one was cut off: with the same batches, and so
    to the same weights.

    Args:
        recipe: a name, see `vild.recipes.RECIPES`, or a recipe.
        dataset: or its specification; see `vild.data.finding.get`. If the recipe
            distils, its examples have regions with features of the teacher.
        out: folder of the training; see `vild.runs.folder`.
        teacher: or its specification; encodes the names of the classes. None: a
            recipe with a learned classifier needs none.
        look: is given the detector after each round, and returns what it measured;
            see `vild.runs.looking.look_at`.
        devices: how many share each batch; None for all.
        threads: that make batches in this process.
        workers: processes that make batches; 0 for none beside this one.
        compiled: whether XLA compiles the step, which takes a while and is soon
            gained; None: as suits the backend.
        callbacks: more of Keras's callbacks, called in every round.
        quiet: whether no progress is shown.
        detector: where the finished detector goes; None: `out/detector`.
        provenance: what it shall say of itself besides, JSON-serialisable.
        known: vectors of the teacher that are there already, see
            `vild.runs.classes.training_classes`.

    Returns:
        The finished detector, which lies there.

    Raises:
        InputError: for a recipe, dataset or teacher that do not fit together.
        DataError: for an image that is missing or damaged, or embeddings of another
            teacher.
        TrainingError: if a loss is no number any more, or the folder holds another
            training.
        KeyboardInterrupt: if it was asked to stop; what was done is saved.

    Example:
        >>> detector = train("tiny", "drawn:train", "runs/tiny", teacher="shapes")

    Source: paper section 3; released behaviour.
    """
    chosen = get_recipe(recipe)
    spec = teacher if isinstance(teacher, str) else getattr(teacher, "name", None)
    found = get(teacher) if isinstance(teacher, str) else teacher
    data = finding.get(dataset)
    classes = training_classes(data, chosen, found, known)
    check_examples(data, chosen, classes)
    folder = RunFolder(Path(out), None if detector is None else Path(detector))
    mark = None if found is None else fingerprint(found)
    about = dict(provenance or {})
    store = getattr(data, "store", None)
    if not (chosen.distils and isinstance(store, EmbeddingStore)):
        store = None
    if store is not None:
        check_teacher(store, mark)
        about = {"embeddings": embeddings_facts(store), **about}
    with kernels.devices(devices) as replicas:
        if replicas.first:
            folder.claim(run_facts(chosen, data, spec, mark))
            if store is not None:
                warn_of_failed(store)
        run = _Run(chosen, data, classes, folder, replicas, teacher)
        run.threads, run.workers, run.quiet = threads, workers, quiet
        run.look, run.callbacks = look, list(callbacks)
        run.provenance = about
        run.compiled = replicas.compiled if compiled is None else compiled
        return run.finish()


class _Run:
    """One training, from wherever it stands to its end."""

    threads = 2
    workers = 0
    quiet = False
    compiled = True
    look: Look | None = None
    callbacks: list[Any]
    _looked: Detector | None = None
    provenance: dict[str, Any]

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        classes: TrainingClasses,
        folder: RunFolder,
        replicas: Replicas,
        teacher: Any,
    ) -> None:
        self.recipe, self.dataset, self.classes = recipe, dataset, classes
        self.folder, self.replicas, self.teacher = folder, replicas, teacher
        self.progress = Progress()

    def finish(self) -> Detector:
        """Goes on until all steps are made."""
        recipe = self.recipe
        self.trainer, self.batches = prepare(
            recipe,
            self.dataset,
            self.classes,
            self.replicas,
            compiled=self.compiled,
            threads=self.threads,
            workers=self.workers,
        )
        self.variables = [
            *self.trainer.learner.variables,
            *self.trainer.optimizer.variables,
        ]
        if self.folder.last.exists():
            self.progress = load_checkpoint(self.folder.last, self.variables)
        if self.progress.step >= recipe.steps and self.folder.detector.is_dir():
            made = load_detector(self.folder.detector)
            # Not one of fewer steps, or with other settings.
            if made.provenance.get("recipe") == recipe.as_dict():
                return made
        self.board = Board(self.folder.tensorboard) if self.replicas.first else None
        stop = StopAtSignal()
        while self.progress.step < recipe.steps:
            self._round(stop)
            if stop.asked and self.progress.step < recipe.steps:
                raise KeyboardInterrupt(
                    f"stopped at step {self.progress.step}; the same command goes on"
                )
        detector = self._detector()
        if self.replicas.first:
            detector.save(self.folder.detector)
        return detector

    def _round(self, stop: StopAtSignal) -> None:
        """Makes the steps up to the next checkpoint."""
        recipe, progress = self.recipe, self.progress
        start = progress.step
        end = min((start // recipe.save_every + 1) * recipe.save_every, recipe.steps)
        began = time.monotonic()
        with stop.listening():
            with _told():
                history = self.trainer.fit(
                    self.batches.from_step(start),
                    steps_per_epoch=end - start,
                    initial_epoch=start // recipe.save_every,
                    epochs=start // recipe.save_every + 1,
                    verbose=self._verbosity(),
                    shuffle=False,  # batches come in an order of their own
                    callbacks=[
                        NotANumber(
                            self.batches, start, self.folder.path, self.replicas.index
                        ),
                        stop,
                        *self.callbacks,
                    ],
                ).history
            progress.step = start + stop.seen
            seconds = time.monotonic() - began
            row: dict[str, Any] = {"step": progress.step}
            row.update({name: float(values[-1]) for name, values in history.items()})
            made = (progress.step - 1) // recipe.optimizer.accumulate
            row["learning_rate"] = float(schedule(recipe)(made))
            row["images_per_second"] = stop.seen * recipe.batch_size / seconds
            progress.history.append(row)
            if not self.replicas.first:
                return
            # Saved before anybody looks: that may take long, or fail.
            saved = self._written(
                lambda: save_checkpoint(self.folder.last, self.variables, progress)
            )
            if self.look is not None and not stop.asked:
                found = self.look(self._detector())
                row.update(found)
                if not self.quiet:
                    print(f"step {progress.step}: {told(found)}", flush=True)
            if saved:
                self._written(lambda: self._conclude(row))

    def _conclude(self, row: dict[str, Any]) -> None:
        """Keeps the best checkpoint, and what was measured."""
        progress, folder = self.progress, self.folder
        now, best = score(row), progress.best
        if now is not None and (best is None or now[0] != best[0] or now[1] > best[1]):
            save_checkpoint(folder.best, self.variables, progress)
            progress.best = now
        save_state(folder.last, progress)
        folder.write_history(progress.history)
        if self.board is not None:
            self.board.write(row)

    def _written(self, write: Callable[[], None]) -> bool:
        """Whether something could be written; at the end it must."""
        try:
            write()
        except OSError as error:
            step = self.progress.step
            what = (
                f"The checkpoint of step {step} cannot be written "
                f"({error.strerror or error}): make room in {self.folder.path}"
            )
            if step >= self.recipe.steps:
                raise TrainingError(
                    f"{what} and start again; the one before is still there."
                ) from error
            warnings.warn(
                f"{what}. The one before is kept, and the training goes on.",
                stacklevel=2,
            )
            return False
        return True

    def _detector(self) -> Detector:
        """The model as it is now, with the words it learns."""
        learner, recipe = self.trainer.learner, self.recipe
        changing = self.classes.vocabulary is None or recipe.dtype != "float32"
        if self._looked is not None and not changing:
            # The same one: what it has compiled reads the weights as they are now.
            self._looked.provenance = self._provenance()
            return self._looked
        rows = keras.ops.convert_to_numpy(learner.rows)
        words = self.classes.finished(rows)
        model = learner.model
        if recipe.dtype != "float32":  # people choose the precision when they load it
            model = with_dtype(model, "float32")
        keep = self.teacher if self.classes.vocabulary is not None else None
        settings = {"image_size": recipe.inputs.image_size, **recipe.settings}
        self._looked = Detector(
            model, words, teacher=keep, provenance=self._provenance(), **settings
        )
        return self._looked

    def _provenance(self) -> dict[str, Any]:
        about = run_facts(self.recipe, self.dataset, None, None)
        last = self.progress.history[-1] if self.progress.history else {}
        return {
            "recipe": about["recipe"],
            "dataset": about["dataset"],
            "steps": self.progress.step,
            "measured": last,
            "backend": f"{keras.backend.backend()}, Keras {keras.__version__}",
            "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
            **self.provenance,
        }

    def _verbosity(self) -> int:
        if self.quiet or not self.replicas.first:
            return 0
        return 1 if sys.stdout.isatty() else 2


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Lets an error of the data be one, whatever a framework made of it.

    TensorFlow calls Python for the next batch, and raises an error of its own with the
    text of ours in the middle.
    """
    try:
        yield
    except VildError:
        raise
    except Exception as error:
        inside = re.search(r"vild\.errors\.DataError: ([^\n]+)", str(error))
        if inside is None:
            raise
        raise DataError(inside[1].strip()) from error
