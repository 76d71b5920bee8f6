"""What comes out of a fine-tuning: measured before and after, with all its words."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vild.data.dataset import Dataset
from vild.detector import Detector
from vild.evaluation.tables import write_json
from vild.finetuning import measuring
from vild.finetuning.measuring import Measured
from vild.finetuning.task import Task
from vild.model import ViLD
from vild.saving import is_detector, load_detector
from vild.vocabulary import Vocabulary


class Keeping:
    """What is measured before and after, and the detector that says so.

    Args:
        task: what is done.
        looked_at: datasets to measure on, each with how many of its images.
        say: is told each step.
    """

    def __init__(
        self,
        task: Task,
        looked_at: Sequence[tuple[Dataset, int | None]],
        say: Callable[[str], None],
    ) -> None:
        self.task, self.looked_at, self.say = task, looked_at, say

    def measured(
        self, name: str, of: dict[str, Any], detector: Detector
    ) -> list[Measured]:
        """Measures on all datasets, and keeps what was found at once.

        Args:
            name: of the file.
            of: what says that a file is of this detector.
            detector: what to measure.

        Returns:
            What was found, in the order of the datasets.

        Raises:
            VildError: if it cannot be measured.
        """
        path = self.task.out / name
        there = measuring.read_measured(path, of)
        found: list[Measured] = []
        for dataset, images in self.looked_at:
            about = measuring.about_measure(dataset, images)["dataset"]
            known = [one for one in there if one["dataset"] == about]
            if not known:
                count, what = about["looked_at"], dataset.name
                self.say(f"Measuring on {count} images of {what}.")
                known = [measuring.measure(detector, dataset, images)]
                there += known
                measuring.write_measured(path, of, there)
            found += known[:1]
        return found

    def finished(self, trained: Detector, before: Sequence[Measured]) -> Detector:
        """The detector with all its words, measured and saved.

        Args:
            trained: what the training gave.
            before: what was measured at the start.

        Returns:
            The detector, which lies in `out/detector`.
        """
        task = self.task
        made = _with_everything(task, trained)
        of = {"steps": task.recipe.steps, "recipe": task.recipe.as_dict()}
        after = self.measured("after.json", of, made)
        rows: list[dict[str, Any]] = []
        for (dataset, _), was, now in zip(self.looked_at, before, after, strict=True):
            group = measuring.group_of(
                dataset.categories, task.detector.own_vocabulary, made.own_vocabulary
            )
            rows += measuring.rows_of(was, now, group)
        if rows:
            self.say(measuring.table(rows))
            made.provenance["kept"] = rows
        if not any(row["classes"] == "old" for row in rows):
            self.say(
                "Whether old classes were kept was not measured: name a dataset that "
                "has them by --measure (measure_on)."
            )
        place, kept = task.out / "detector", task.out / "kept.json"
        if is_detector(place) and kept.exists():
            there = load_detector(place)
            if there.provenance == made.provenance:
                return there
        write_json(kept, rows)
        made.save(place)
        return made


def _with_everything(task: Task, trained: Detector) -> Detector:
    """The trained network with everything that the start had besides."""
    start, model = task.detector, trained.model
    if model.mask is None and start.model.mask is not None:
        model = _with_mask(task, model)
    settings = start.settings.as_dict()
    settings.pop("dtype")
    return Detector(
        model,
        all_words(start.own_vocabulary, trained.own_vocabulary),
        teacher=task.teacher,
        provenance=trained.provenance,
        **settings,
    )


def _with_mask(task: Task, trained: ViLD) -> ViLD:
    """The trained network with the mask head of the start, which took no part."""
    model = load_detector(task.start, dtype="float32").model
    untouched = {id(variable) for variable in model.mask.variables}
    others = [v for v in model.variables if id(v) not in untouched]
    for variable, value in zip(others, trained.variables, strict=True):
        variable.assign(value)
    return model


def all_words(start: Vocabulary, learned: Vocabulary) -> Vocabulary:
    """What a detector knows in the end.

    Args:
        start: what it knew, with base flags.
        learned: the classes that it was trained on now.

    Returns:
        The old classes, then those that are new; base are those that were or that
        were trained on now.

    Example:
        >>> old = Vocabulary(["cat", "dog"], np.eye(2, 4), [True, False])
        >>> words = all_words(old, Vocabulary(["Dog", "owl"], np.eye(2, 4)))
        >>> words.names, words.base.tolist()
        (['cat', 'dog', 'owl'], [True, True, True])
    """
    now = {keys[0] for keys in learned.keys}
    was = np.ones(len(start), bool) if start.base is None else start.base
    base = was | np.array([keys[0] in now for keys in start.keys])
    return start.with_base(base).merge(learned.with_base(True))
