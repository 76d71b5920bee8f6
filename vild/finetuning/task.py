"""What a fine-tuning is of, and where its parts lie.

finetune.json    detector, recipe, datasets, teacher: what it is of
start/           the detector as it was
before.json      what was measured with it
proposals/       a store: its boxes on the new images
embeddings/      a store: what the teacher makes of their crops
replay/          the same two of old images
run/             the training: history, checkpoints
kept.json        what was measured in the end, beside what it was before
detector/        the finished detector, for `vild.load_pretrained`
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vild.data.dataset import Dataset
from vild.data.joined import Joined
from vild.data.picked import Picked
from vild.data.stores import EmbeddingStore
from vild.data.stores.header import about_dataset
from vild.detector import Detector
from vild.digests import detector_facts
from vild.distillation.road import Place, Road, check_store
from vild.errors import InputError
from vild.finetuning.checks import (
    check_objects,
    check_recipe,
    check_space,
    has_masks,
    teacher_of,
    with_images,
)
from vild.finetuning.learned import held_out, notes_of, own_categories
from vild.finetuning.recipe import fitted
from vild.finetuning.replaying import check_replay, choose, left_over, mixed
from vild.recipes import Recipe
from vild.runs.classes import training_classes
from vild.runs.folder import check_claim, run_facts, write_claim
from vild.teachers import Teacher, fingerprint, get

REST = 200
"""Old images that are left to measure on, a fifth of them at most."""


@dataclass
class Task:
    """A fine-tuning; see `find_task`.

    Attributes:
        out: its folder.
        detector: what is fine-tuned.
        recipe: of the training, with the detector's network.
        teacher: as it was given, a teacher or its specification.
        loaded: the teacher.
        new: the dataset to learn from.
        old: the images that are replayed; None for none.
        share: of old images among those that are shown.
        held_out: names of categories that take no part.
        roads: where regions of the new and of the old images lie.
        rest: images of the replayed dataset that are not replayed; None for none.
        notes: what a person should know before it begins.
    """

    out: Path
    detector: Detector
    recipe: Recipe
    teacher: str | Teacher
    loaded: Teacher
    new: Dataset
    old: Picked | None
    share: float
    held_out: list[str]
    roads: list[Road]
    rest: Picked | None
    notes: list[str]

    @property
    def start(self) -> Path:
        """Where the detector lies as it was."""
        return self.out / "start"

    @property
    def parts(self) -> list[Dataset]:
        """The new images, and the old ones if there are any."""
        return [self.new] if self.old is None else [self.new, self.old]

    @property
    def facts(self) -> dict[str, Any]:
        """What is compared when a fine-tuning goes on."""
        spec = self.teacher if isinstance(self.teacher, str) else self.loaded.name
        old = None
        if self.old is not None:
            old = {**about_dataset(self.old), "share": self.share}
        return {
            **run_facts(self.recipe, self.new, spec, fingerprint(self.loaded)),
            "detector": detector_facts(self.detector),
            "replay": old,
            "stores": [road.brought for road in self.roads],
        }

    def claim(self) -> None:
        """Says of what the folder is, or finds that it is the one begun before.

        Raises:
            TrainingError: if it is another fine-tuning.
            InputError: if it holds something else or cannot be written.
        """
        about = self.out / "finetune.json"
        check_claim(about, self.facts, "fine-tuning")
        write_claim(about, self.facts)

    def to_learn(self, parts: list[Dataset]) -> Dataset:
        """What the training is shown.

        Args:
            parts: `parts`, with their regions where it distils.

        Returns:
            New and old images in their shares, and all categories that are learned.
        """
        own = self.detector.own_vocabulary
        joined = Joined(parts, own_categories(own), self.held_out)
        if self.old is None:
            return joined
        return mixed(joined, len(self.new), self.share)


def find_task(
    detector: Detector,
    dataset: str | Dataset,
    teacher: str | Teacher | None,
    recipe: Recipe,
    out: Place,
    *,
    replay: str | Dataset | None = None,
    share: float = 0.5,
    images: int = 1000,
    embeddings: Place | None = None,
    replay_embeddings: Place | None = None,
    rest: int | None = None,
) -> Task:
    """Finds what is meant, and whether it fits together; writes nothing.

    Args:
        detector: see `vild.finetuning.finetune`, as for all others.
        dataset: to learn from.
        teacher: encodes crops and words.
        recipe: of the training.
        out: folder.
        replay: old images.
        share: of them.
        images: how many of them.
        embeddings: a store of the new images.
        replay_embeddings: a store of the old images.
        rest: how many old images that are not replayed may be measured on; None:
            `REST`. It does not change which are replayed.

    Returns:
        The task.

    Raises:
        VildError: for what cannot be used or does not fit together.
    """
    given = teacher_of(detector) if teacher is None else teacher
    new = with_images(dataset)
    check_objects(new)
    old = None if replay is None else with_images(replay)
    if old is not None:
        check_replay(share, images)
    elif replay_embeddings is not None:
        raise InputError("A store of old images goes with a dataset to replay.")
    loaded = get(given)
    check_space(detector, loaded)
    unmasked = [p.name for p in (new, old) if p is not None and not has_masks(p)]
    folder = Path(out)
    asked, recipe = recipe, fitted(recipe, detector, not unmasked)
    check_recipe(recipe)
    picked = others = None
    if old is not None:
        # A fifth at least is left to measure on.
        most = len(old) - min(REST, len(old) // 5)
        chosen = choose(len(old), min(images, most), recipe.seed)
        picked = Picked(old, chosen)
        others = left_over(old, chosen, rest or REST, recipe.seed)
    task = Task(
        out=folder,
        detector=detector,
        recipe=recipe,
        teacher=given,
        loaded=loaded,
        new=new,
        old=picked,
        share=float(share),
        held_out=held_out(detector.own_vocabulary, new, old, recipe),
        roads=[],
        rest=others,
        notes=[],
    )
    learned = task.to_learn(task.parts)
    task.notes = notes_of(detector.own_vocabulary, new, asked, recipe, unmasked)
    training_classes(learned, recipe, loaded, detector.own_vocabulary)
    if recipe.distils:
        stores = [embeddings, replay_embeddings][: len(task.parts)]
        task.roads = [
            _road(task, part, name, store)
            for part, name, store in zip(
                task.parts, ("", "replay"), stores, strict=False
            )
        ]
    elif embeddings is not None or replay_embeddings is not None:
        raise InputError(
            "Embeddings are for distillation, which losses.distill_weight=0 leaves out."
        )
    return task


def _road(task: Task, dataset: Dataset, name: str, store: Place | None) -> Road:
    folder = task.out / name
    if store is not None and task.old is not None and dataset is task.old:
        dataset = task.old.dataset  # what others made is of the whole of it
    road = Road(
        out=task.out,
        recipe=task.recipe,
        dataset=dataset,
        teacher=task.teacher,
        loaded=task.loaded,
        stage=None,
        source=task.detector,
        proposals=folder / "proposals",
        embeddings=folder / "embeddings" if store is None else Path(store),
        count=task.recipe.inputs.max_rois,
        ground_truth=False,
    )
    if store is not None:
        road.brought["embeddings"] = check_store(
            road.embeddings, "embeddings", EmbeddingStore, dataset, task.loaded
        )
    return road
