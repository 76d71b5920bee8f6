"""A training from its recipe to a detector directory; it can be stopped at any time."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vild.backends import kernels
from vild.data import finding
from vild.data.dataset import Dataset
from vild.data.stores import EmbeddingStore
from vild.detector import Detector
from vild.embedding import check_teacher
from vild.recipes import Recipe, get_recipe
from vild.runs.checks import (
    check_examples,
    embeddings_facts,
    warn_of_failed,
    warn_of_schedule,
)
from vild.runs.classes import training_classes
from vild.runs.folder import RunFolder, run_facts
from vild.runs.looking import Look
from vild.runs.rounds import Run
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
    start: str | os.PathLike[str] | None = None,
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
        start: the initial weights, if they lie elsewhere than the recipe says: a
            folder can be moved, and its recipe stays the same.

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
            warn_of_schedule(chosen)
            if store is not None:
                warn_of_failed(store)
        run = Run(
            recipe=chosen,
            dataset=data,
            classes=classes,
            folder=folder,
            replicas=replicas,
            teacher=teacher,
            start=None if start is None else os.fspath(start),
            look=look,
            threads=threads,
            workers=workers,
            compiled=replicas.compiled if compiled is None else compiled,
            callbacks=callbacks,
            quiet=quiet,
            provenance=about,
        )
        return run.finish()
