"""What a distillation is of, and where its steps lie.

distill.json    recipe, dataset, teacher, where boxes come from: what it is of
rpn/            the training of the first stage, with its detector
proposals/      a store: boxes of every image
embeddings/     a store: what the teacher makes of their crops
run/            the training: history, checkpoints
detector/       the finished detector, for `vild.load_pretrained`
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vild.data import finding
from vild.data.dataset import Dataset
from vild.data.stores import EmbeddingStore, ProposalStore, open_store
from vild.data.stores.header import check_same_dataset, read_header
from vild.detector import Detector
from vild.digests import detector_facts
from vild.embedding import check_teacher
from vild.errors import DataError, InputError, VildError
from vild.recipes import Recipe, first_stage, get_recipe
from vild.runs.classes import training_classes
from vild.runs.folder import check_claim, run_facts, write_claim
from vild.saving import is_detector
from vild.teachers import Teacher, fingerprint, get

Place = str | os.PathLike[str]


@dataclass
class Road:
    """A distillation; see `find_road`.

    Attributes:
        out: its folder.
        recipe: of the training.
        dataset: without regions.
        teacher: as it was given, a teacher or its specification.
        loaded: the teacher.
        stage: recipe of the first stage; None if boxes come from elsewhere.
        source: of the boxes instead: a detector or a file of boxes.
        proposals: folder of the boxes' store.
        embeddings: folder of the store that is distilled.
        count: boxes per image, at most.
        ground_truth: whether the dataset's own boxes are embedded too.
        brought: which of the stores were brought along.
        stage_named: whether a person chose the recipe of the first stage.
    """

    out: Path
    recipe: Recipe
    dataset: Dataset
    teacher: str | Teacher
    loaded: Teacher
    stage: Recipe | None
    source: Place | Detector | None
    proposals: Path
    embeddings: Path
    count: int
    ground_truth: bool
    brought: dict[str, str] = field(default_factory=dict)
    stage_named: bool = False

    @property
    def rpn(self) -> Path:
        """Folder of the first stage's training."""
        return self.out / "rpn"

    @property
    def run(self) -> Path:
        """Folder of the training."""
        return self.out / "run"

    @property
    def detector(self) -> Path:
        """Where the finished detector goes."""
        return self.out / "detector"

    @property
    def facts(self) -> dict[str, Any]:
        """What is compared when a distillation goes on."""
        spec = self.teacher if isinstance(self.teacher, str) else self.loaded.name
        mark = fingerprint(self.loaded)
        return {
            **run_facts(self.recipe, self.dataset, spec, mark),
            # A stage that follows from the recipe is compared in its own folder.
            "first_stage": self.stage.as_dict()
            if self.stage is not None and self.stage_named
            else None,
            "source": None if self.source is None else _about(self.source),
            "stores": self.brought,
            "count": self.count,
            "ground_truth": self.ground_truth,
        }

    def check(self) -> None:
        """Refuses a folder in which something else was begun.

        Raises:
            TrainingError: if it is another distillation.
            InputError: if it holds something else.
        """
        check_claim(self.out / "distill.json", self.facts, "distillation")

    def claim(self) -> None:
        """Says of what the folder is, or finds that it is the one begun before.

        Raises:
            TrainingError: if it is another distillation.
            InputError: if it holds something else or cannot be written.
        """
        self.check()
        write_claim(self.out / "distill.json", self.facts)

    def whole_proposals(self) -> ProposalStore | None:
        """The boxes, if they are whole and embedding has begun with them.

        From then on a photo that failed is not tried again: what was made of the
        boxes would be lost.
        """
        store = _whole(self.proposals)
        if not isinstance(store, ProposalStore):
            return None
        if "proposals" in self.brought:
            return store
        try:
            header, _ = read_header(self.embeddings)
        except DataError:
            return None
        used = header.get("proposals", {}).get("fingerprint")
        return store if used == store.fingerprint else None

    def whole_embeddings(self) -> EmbeddingStore | None:
        """The embeddings, if they are whole and the training has begun with them."""
        store = _whole(self.embeddings)
        begun = "embeddings" in self.brought or (self.run / "run.json").exists()
        return store if begun and isinstance(store, EmbeddingStore) else None


def find_road(
    dataset: str | Dataset,
    teacher: str | Teacher,
    recipe: str | Recipe,
    out: Place,
    *,
    proposals: Place | None = None,
    embeddings: Place | None = None,
    detector: Place | Detector | None = None,
    stage: str | Recipe | None = None,
    count: int | None = None,
    ground_truth: bool = False,
) -> Road:
    """Finds what is meant, and whether it fits together; writes nothing.

    Args:
        dataset: see `vild.distill`, as for all others.
        teacher: encodes crops and words.
        recipe: of the training.
        out: folder.
        proposals: a store.
        embeddings: a store.
        detector: where boxes come from.
        stage: recipe of the first stage.
        count: boxes per image.
        ground_truth: whether the dataset's own boxes are embedded too.

    Returns:
        The road.

    Raises:
        VildError: for what cannot be used or does not fit together.
    """
    chosen = get_recipe(recipe)
    if not chosen.distils:
        raise InputError(
            f"The recipe {chosen.name!r} distils nothing: train by it with `vild "
            "train`, or set losses.distill_weight above 0."
        )
    given = {
        "proposals": proposals,
        "embeddings": embeddings,
        "detector": detector,
        "first_stage": stage,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(
            f"Boxes come from one place only, received {' and '.join(named)}: leave "
            "out all but one."
        )
    if count is not None and (type(count) is not int or count < 1):
        raise InputError(f"count must be a whole number above 0, received {count!r}.")
    data = finding.get(dataset)
    if not len(data):
        raise InputError(f"The dataset {data.name!r} has no images to learn from.")
    loaded = get(teacher)
    training_classes(data, chosen, loaded)  # tells now what would fail hours later
    folder = Path(out)
    road = Road(
        out=folder,
        recipe=chosen,
        dataset=data,
        teacher=teacher,
        loaded=loaded,
        stage=None,
        source=detector,
        proposals=folder / "proposals" if proposals is None else Path(proposals),
        embeddings=folder / "embeddings" if embeddings is None else Path(embeddings),
        count=chosen.inputs.max_rois if count is None else count,
        ground_truth=ground_truth,
    )
    for name, kind in (("proposals", ProposalStore), ("embeddings", EmbeddingStore)):
        if given[name] is not None:
            road.brought[name] = check_store(
                getattr(road, name), name, kind, data, loaded
            )
    if named in ([], ["first_stage"]):
        road.stage_named = stage is not None
        road.stage = first_stage(chosen) if stage is None else get_recipe(stage)
    return road


def check_store(
    path: Path, what: str, kind: type, dataset: Dataset, teacher: Teacher
) -> str:
    """Refuses a store that was brought along and does not fit.

    Args:
        path: of the store.
        what: what messages call its content.
        kind: `ProposalStore` or `EmbeddingStore`.
        dataset: that it must be of.
        teacher: that it must be of.

    Returns:
        Its fingerprint.

    Raises:
        DataError: if it is damaged, or of something else.
    """
    store = open_store(path)
    if not isinstance(store, kind):
        raise DataError(
            f"{str(path)!r} is a store of {store.kind}: give one of {what}."
        )
    check_same_dataset(store.header, dataset, f"The store {str(path)!r}")
    if isinstance(store, EmbeddingStore):
        check_teacher(store, fingerprint(teacher))
    return store.fingerprint


def _whole(path: Path) -> Any:
    try:
        return open_store(path)
    except VildError:
        return None


def _about(source: Place | Detector) -> dict[str, Any]:
    """What determines the boxes of a detector or of a file."""
    if isinstance(source, Detector):
        return detector_facts(source)
    path = Path(source)
    if is_detector(path):
        path = path / "config.json"  # has the digests of all the rest
    if path.is_file():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"sha256": digest}  # wherever it lies
    return {"name": os.fspath(source)}
