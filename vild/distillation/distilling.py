"""A dataset and a teacher -> an open-vocabulary detector."""

from collections.abc import Sequence
from typing import Any

from vild.backends import kernels
from vild.data.dataset import Dataset
from vild.data.processes import check_workers
from vild.data.stores import EmbeddingStore, WithRegions
from vild.data.stores.header import read_header
from vild.detector import Detector
from vild.distillation.regions import about_store, check_any, make_regions, silent
from vild.distillation.road import Place, Road, find_road
from vild.embedding.task import Engine, check_engine
from vild.errors import DataError, InputError
from vild.recipes import Recipe
from vild.runs.looking import Look
from vild.runs.run import train
from vild.teachers import Teacher


def distill(
    dataset: str | Dataset,
    *,
    teacher: str | Teacher,
    recipe: str | Recipe = "r50-ensemble",
    out: Place,
    proposals: Place | None = None,
    embeddings: Place | None = None,
    detector: Place | Detector | None = None,
    first_stage: str | Recipe | None = None,
    count: int | None = None,
    ground_truth: bool = False,
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
    """Trains an open-vocabulary detector on a dataset, with all that this needs.

    Four steps: a detector of objects of any kind is trained on the base classes (the
    first stage); it proposes boxes; a teacher embeds their crops; and the detector of
    the recipe learns from both, labels and embeddings. Each is skipped if it is done.
    If the work is cut off, the same call goes on where it stopped, to the same result.

    Args:
        dataset: or its specification; see `vild.data.finding.get`.
        teacher: or its specification; encodes the crops, and the names of the
            classes.
        recipe: a name, see `vild.recipes.RECIPES`, or a recipe that distils.
        out: folder of it all; see `vild.distillation.road`.
        proposals: a store of boxes for this dataset, in place of the first two steps.
        embeddings: a store of embeddings, in place of the first three.
        detector: where boxes come from instead of a first stage: a detector, a preset
            or a detector directory; or a `.json` of boxes, see `make_proposals`.
        first_stage: recipe of the first stage; None: cut to fit `recipe`, see
            `vild.recipes.first_stage`.
        count: boxes per image, at most; None: as many as the recipe looks at.
        ground_truth: embed the dataset's own boxes of base categories too.
        engine: that embeds, see `vild.embedding.embed`.
        embed_workers: its processes, each with a teacher of its own.
        look: see `vild.runs.run.train`, as for all below; only the last step looks.
        devices: how many share each batch; None for all.
        threads: that make batches in this process.
        workers: processes that make batches.
        compiled: whether XLA compiles the steps; None: as suits the backend.
        callbacks: more of Keras's callbacks, in both trainings.
        quiet: whether no progress is shown.

    Returns:
        The finished detector, which is in `out/detector`.

    Raises:
        InputError: for a recipe, dataset, teacher or store that do not fit together.
        DataError: for a store or an image that is missing or damaged.
        TeacherError: if the teacher cannot be used.
        TrainingError: if a loss is no number any more, or the folder holds a
            distillation of something else.
        KeyboardInterrupt: if it was asked to stop; what was done is saved.

    Example:
        >>> detector = distill(
        ...     "drawn:train", teacher="shapes", recipe="tiny-vild", out="runs/a"
        ... )

    Source: paper section 3; released behaviour.
    """
    check_engine(engine)
    check_workers(embed_workers)
    road = find_road(
        dataset,
        teacher,
        recipe,
        out,
        proposals=proposals,
        embeddings=embeddings,
        detector=detector,
        stage=first_stage,
        count=count,
        ground_truth=ground_truth,
    )
    training: dict[str, Any] = {
        "devices": devices,
        "threads": threads,
        "workers": workers,
        "compiled": compiled,
        "callbacks": callbacks,
        "quiet": quiet,
    }
    with kernels.devices(devices) as replicas:
        processes, first = replicas.processes, replicas.first
    store = road.whole_embeddings()
    if store is None and processes > 1:
        raise InputError(
            f"{processes} processes train together, but the embeddings are made by "
            f"one: make them by `vild embed` and name them by --embeddings."
        )
    if first:
        road.claim()
    say = silent if quiet else print
    if store is None:
        store = make_regions(road, training, engine, embed_workers, say)
    check_any(store)
    if first:
        say(f"Training by the recipe {road.recipe.name}.")
    return train(
        road.recipe,
        WithRegions(road.dataset, store),
        road.run,
        teacher=road.teacher,
        look=look,
        detector=road.detector,
        provenance=_provenance(road, store),
        **training,
    )


def _provenance(road: Road, store: EmbeddingStore) -> dict[str, Any]:
    """What the detector says of what it was made from."""
    header = store.header
    boxes = _header_of(road)
    return {
        "first stage": None if road.stage is None else road.stage.name,
        "proposals": {**header.get("proposals", {}), "source": boxes.get("source")},
        "embeddings": about_store(store),
        "images": {**header["dataset"]},
    }


def _header_of(road: Road) -> dict[str, Any]:
    try:
        return read_header(road.proposals)[0]
    except DataError:  # embeddings were brought along
        return {}
