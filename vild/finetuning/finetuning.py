"""A detector and somebody's own dataset -> a detector that knows both."""

from collections.abc import Sequence
from typing import Any

from vild.backends import kernels
from vild.data import finding
from vild.data.dataset import Dataset
from vild.data.picked import Picked
from vild.data.stores import EmbeddingStore, WithRegions
from vild.detector import Detector
from vild.distillation.regions import about_store, check_any, make_regions, silent
from vild.distillation.road import Place, Road
from vild.embedding.task import Engine, check_engine
from vild.errors import InputError
from vild.finetuning import measuring
from vild.finetuning.keeping import Keeping
from vild.finetuning.recipe import recipe_for
from vild.finetuning.task import Task, find_task
from vild.pretrained import load_pretrained
from vild.recipes import Recipe, get_recipe
from vild.runs.checks import warn_of_failed
from vild.runs.looking import Look
from vild.runs.run import train
from vild.saving import is_detector
from vild.teachers import Teacher

# Images of a replayed dataset that are measured on, as long as nobody says how many.


def finetune(
    detector: Place | Detector,
    dataset: str | Dataset,
    *,
    out: Place,
    teacher: str | Teacher | None = None,
    recipe: str | Recipe | None = None,
    replay: str | Dataset | None = None,
    replay_share: float = 0.5,
    replay_images: int = 1000,
    embeddings: Place | None = None,
    replay_embeddings: Place | None = None,
    measure_on: Sequence[str | Dataset] = (),
    measure_images: int | None = None,
    engine: Engine = "local",
    embed_workers: int = 1,
    look: Look | None = None,
    devices: int | None = None,
    threads: int = 2,
    workers: int = 0,
    compiled: bool | None = None,
    callbacks: Sequence[Any] = (),
    quiet: bool = False,
) -> Detector:
    """Teaches a detector classes of your own, and keeps its open vocabulary.

    The detector proposes boxes in the new images, its teacher embeds their crops, and
    the training imitates the teacher while it learns from the labels. What is not
    labelled in an image may be of any class that its dataset does not have. Old images
    can be replayed among the new ones. The detector is measured before and after. If
    the work is cut off, the same call goes on where it stopped, to the same result.

    Args:
        detector: to start from: a detector, a preset or a detector directory.
        dataset: or its specification, see `vild.data.finding.get`. All its categories
            are learned, unless the recipe has `classes.held_out`.
        out: folder of it all; see `vild.finetuning.task`.
        teacher: or its specification; None: the detector's own. Its space must be that
            of the detector.
        recipe: of the training; None: what follows from the detector, see
            `vild.finetuning.recipe_for`. The network is always the detector's. With
            `losses.distill_weight` 0 nothing is distilled.
        replay: a dataset of old classes, or its specification, whose images are shown
            too; None for none.
        replay_share: of the images that are shown, so many are old ones.
        replay_images: of the old dataset at most so many, chosen by chance.
        embeddings: a store of embeddings for the dataset, if there is one.
        replay_embeddings: the same for the replayed dataset, for all of its images.
        measure_on: datasets or specifications to measure on before and after.
        measure_images: the first images only of each; None for all.
        engine: that embeds, see `vild.embedding.embed`.
        embed_workers: its processes.
        look: see `vild.runs.run.train`, as for all below.
        devices: how many share each batch; None for all.
        threads: that make batches in this process.
        workers: processes that make batches.
        compiled: whether XLA compiles the steps; None: as suits the backend.
        callbacks: more of Keras's callbacks.
        quiet: whether no progress is shown.

    Returns:
        The finished detector, which is in `out/detector`. It knows the old classes and
        the new ones; those that it learned count as base classes. If old images are
        replayed, it has also been measured on some that are not (as many as
        `measure_images`, or 200), since it knows the others by heart.

    Raises:
        InputError: for a detector, dataset, teacher or recipe that do not fit together.
        DataError: for an image, a store or a category that cannot be used.
        TrainingError: if a loss is no number any more, or the folder holds something
            else.
        KeyboardInterrupt: if it was asked to stop; what was done is saved.

    Example:
        >>> detector = finetune(
        ...     "runs/mine/detector", "coco:photos", replay="drawn:train", out="runs/b"
        ... )

    Source: ours, after paper section 3 (distillation); for what is not labelled see
    `vild.training.losses.class_loss`.
    """
    check_engine(engine)
    if measure_images is not None and measure_images < 1:
        raise InputError(
            f"measure_images must be 1 or more, received {measure_images!r}."
        )
    if not isinstance(detector, Detector):
        detector = load_pretrained(detector)
    task = find_task(
        detector,
        dataset,
        teacher,
        recipe_for(detector) if recipe is None else get_recipe(recipe),
        out,
        replay=replay,
        share=replay_share,
        images=replay_images,
        embeddings=embeddings,
        replay_embeddings=replay_embeddings,
        rest=measure_images,
    )
    looked_at = _looked_at(task, measure_on, measure_images)
    with kernels.devices(devices) as replicas:
        if replicas.processes > 1:
            raise InputError(
                f"{replicas.processes} processes were started, but fine-tuning is done "
                "by one, with the devices that it sees: start a single one."
            )
    task.claim()
    say = silent if quiet else print
    for note in task.notes:
        say(note)
    if not is_detector(task.start):
        detector.save(task.start)
    keep = Keeping(task, looked_at, say)
    before = keep.measured("before.json", {"start": task.facts["detector"]}, detector)
    stores = [
        road.whole_embeddings() or make_regions(road, {}, engine, embed_workers, say)
        for road in task.roads
    ]
    for store in stores:
        check_any(store)
        warn_of_failed(store)
    parts = task.parts
    if stores:
        parts = [
            _with_regions(part, road, store)
            for part, road, store in zip(parts, task.roads, stores, strict=True)
        ]
    say(f"Training by the recipe {task.recipe.name}.")
    trained = train(
        task.recipe,
        task.to_learn(parts),
        task.out / "run",
        teacher=task.teacher,
        known=detector.own_vocabulary,
        look=look,
        devices=devices,
        threads=threads,
        workers=workers,
        compiled=compiled,
        callbacks=callbacks,
        quiet=quiet,
        provenance=_provenance(task, stores),
        start=task.start,
    )
    return keep.finished(trained, before)


def _looked_at(
    task: Task, measure_on: Sequence[str | Dataset], images: int | None
) -> list[tuple[Dataset, int | None]]:
    """Datasets that are measured on, each with how many of its images."""
    found: list[tuple[Dataset, int | None]] = [
        (finding.get(dataset), images) for dataset in measure_on
    ]
    for dataset, _ in found:
        if not len(dataset):
            raise InputError(f"The dataset {dataset.name!r} has no images to look at.")
    if task.rest is not None and len(task.rest):
        found.append((task.rest, None))
    once = {repr(measuring.about_measure(*one)): one for one in found}
    return list(once.values())


def _with_regions(part: Dataset, road: Road, store: EmbeddingStore) -> Dataset:
    if isinstance(part, Picked) and road.dataset is part.dataset:
        return Picked(WithRegions(road.dataset, store), part.indexes)
    return WithRegions(part, store)


def _provenance(task: Task, stores: Sequence[EmbeddingStore]) -> dict[str, Any]:
    """What the detector says of what it was made from."""
    facts = task.facts
    return {
        "fine-tuned from": {
            **facts["detector"],
            "provenance": task.detector.provenance,
        },
        "new images": facts["dataset"],
        "replay": facts["replay"],
        "embeddings": [about_store(store) for store in stores],
    }
