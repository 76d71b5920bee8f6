"""The rounds of a training, each of which ends with a checkpoint and a look."""

import dataclasses
import datetime
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vild.backends import keras
from vild.data.dataset import Dataset
from vild.detector import Detector
from vild.errors import TrainingError
from vild.precision import with_dtype
from vild.recipes import Recipe
from vild.replicas import Replicas
from vild.runs.checkpoint import (
    Progress,
    load_checkpoint,
    save_checkpoint,
    save_state,
)
from vild.runs.classes import TrainingClasses
from vild.runs.folder import RunFolder, run_facts
from vild.runs.guard import NotANumber, StopAtSignal, data_errors
from vild.runs.looking import Board, Look, is_better, score, told
from vild.runs.preparing import prepare, schedule
from vild.saving import load_detector


@dataclass
class Run:
    """One training, from wherever it stands to its end.

    Attributes:
        recipe: what it is by.
        dataset: what it learns from.
        classes: of `vild.runs.classes.training_classes`.
        folder: what it writes into.
        replicas: the devices that share each batch.
        teacher: the finished detector's, or its specification.
        start: where the initial weights lie; None: where the recipe says.
        look, threads, workers, compiled, callbacks, quiet, provenance: see
            `vild.runs.run.train`.
    """

    recipe: Recipe
    dataset: Dataset
    classes: TrainingClasses
    folder: RunFolder
    replicas: Replicas
    teacher: Any
    start: str | None
    look: Look | None
    threads: int
    workers: int
    compiled: bool
    callbacks: Sequence[Any]
    quiet: bool
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        self.progress = Progress()
        self._looked: Detector | None = None

    def finish(self) -> Detector:
        """Goes on until all steps are made."""
        recipe = self.recipe
        placed = recipe
        if self.start is not None:
            model = dataclasses.replace(recipe.model, initial_weights=self.start)
            placed = dataclasses.replace(recipe, model=model)
        self.trainer, self.batches = prepare(
            placed,
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
        if self.progress.concluded < self.progress.step and self.replicas.first:
            with stop.listening():  # what was saved last was never looked at
                self._conclude()
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
            with data_errors():
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
            if saved or not stop.asked:
                self._conclude(look=not stop.asked, write=saved)

    def _conclude(self, look: bool = True, write: bool = True) -> None:
        """Looks at the last round, tells of it, and keeps it if it is the best."""
        progress, folder = self.progress, self.folder
        row = progress.history[-1]
        if self.look is not None and look:
            found = self.look(self._detector())
            row.update(found)
            if not self.quiet:
                print(f"step {progress.step}: {told(found)}", flush=True)

        def writing() -> None:
            now = score(row)
            if is_better(now, progress.best):
                save_checkpoint(folder.best, self.variables, progress)
                progress.best = now
            folder.write_history(progress.history)
            progress.concluded = progress.step
            save_state(folder.last, progress)

        board = self.board
        if write and self._written(writing) and board is not None:
            self._written(lambda: board.write(row))

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
