"""Rows of the study on stickers: what labels, texts and a teacher each bring.

    python benchmarks/stickers_study.py --start runs/start --rows text ensemble

Every row begins with the same network, which has seen crops of base concepts only
(`fit_sticker_start.py`), with the RPN of one first stage, and makes the same steps;
rows that distil share one store of proposals and embeddings, and what they distil into
may begin with a network that was distilled on the crops of that store
(`fit_sticker_distilled.py`, `--distilled-start`). What is
done is not done again, and what was cut off goes on.

    python benchmarks/stickers_study.py --start START --rows text --measure test-seen
    python benchmarks/stickers_study.py --start START --rows vild crops --time
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from common import Kept

from vild.data.narrowed import Narrowed
from vild.data.stickers import Stickers
from vild.data.stores import WithRegions
from vild.digests import detector_facts
from vild.embedding import embed
from vild.evaluation import Evaluation, evaluate_detector, evaluate_files
from vild.evaluation.bootstrap import intervals
from vild.evaluation.from_files import truth_of
from vild.files import replacing
from vild.pretrained import load_pretrained
from vild.proposals import make_proposals
from vild.recipes import Recipe, changed, get_recipe
from vild.runs.run import train
from vild.teacher_on_crops import TeacherOnCrops

TRAINED = {
    "rpn": "stickers-rpn",
    "supervised": "stickers-supervised",
    "supervised+novel": "stickers-supervised",
    "text": "stickers-text",
    "vild": "stickers-vild",
    "ensemble": "stickers-ensemble",
}
CHANGED = {"supervised+novel": ["classes.held_out=false"]}  # all classes have labels
CROPS = ("crops", "text+crops")  # the teacher looks at what `text` finds
SHOWN = [
    *(("segm", name) for name in ("APr", "APc", "APf", "AP")),
    *(("bbox", name) for name in ("AP50_base", "AP50_novel", "AP_base", "AP_novel")),
]
SAMPLES = 300  # of the bootstrap
BOXES = 20  # of a scene, for the teacher


class Study:
    """What the rows share.

    Args:
        out: folder of everything.
        scenes: of the training.
        start: the detector that all begin with.
        distilled_start: the one that branches begin with which distil; none: the same.
        changes: of all recipes, see `vild.recipes.changed`.
    """

    def __init__(
        self,
        out: Path,
        scenes: int,
        start: Path,
        distilled_start: Path | None,
        changes: list[str],
    ):
        self.out, self.start, self.changes = out, start, changes
        self.distilled_start = distilled_start
        self.data = Kept(Stickers(f"train:{scenes}"))

    def recipe(self, row: str, changes: list[str]) -> Recipe:
        """Of a row, with its initial weights."""
        changes = [*CHANGED.get(row, []), *changes]
        recipe = changed(get_recipe(TRAINED[row]), changes)
        start = self.start if row == "rpn" else self.begun(recipe)
        # The few convolutions of the backbone know enough of pictures already.
        model = dataclasses.replace(
            recipe.model, initial_weights=str(start), frozen=("backbone",)
        )
        return dataclasses.replace(recipe, model=model)

    def first_stage(self) -> Path:
        """The detector whose proposals the teacher looks at."""
        first = self.out / "rpn" / "detector"
        if not first.exists():
            # What is changed is meant for the row that needs it.
            self.trained("rpn", [])
        return first

    def begun(self, recipe: Recipe) -> Path:
        """What a row begins with: its start, with the RPN of the first stage."""
        distilled = self.distilled_start if recipe.distils else None
        joined = distilled if recipe.model.ensemble else None
        if joined is not None:
            made, start = self.out / "ensemble-start", self.start
        elif distilled is not None:
            made, start = self.out / "distilled-start", distilled
        else:
            made, start = self.out / "start", self.start
        if not made.exists():
            detector = load_pretrained(start)
            take(detector.model.rpn, load_pretrained(self.first_stage()).model.rpn)
            if joined is not None:
                # One branch begins with names, the other with what was distilled.
                ours, theirs = (
                    detector.model.region,
                    load_pretrained(joined).model.region,
                )
                take(ours.image_branch, theirs.image_branch)
                take(ours.image_projection, theirs.image_projection)
            detector.save(made)
        return made

    def trained(self, row: str, changes: list[str] | None = None) -> Any:
        """The detector of a row; with other changes than those of all, if any."""
        recipe = self.recipe(row, self.changes if changes is None else changes)
        data: Any = WithRegions(self.data, self.regions()) if recipe.distils else None
        learned = recipe.classes.classifier == "learned"
        return train(
            recipe,
            self.data if data is None else data,
            self.out / row,
            teacher=None if learned else "stickers",
            threads=1,
        )

    def proposals(self) -> Any:
        """The store of boxes."""
        return make_proposals(
            self.first_stage(), self.data, self.out / "proposals", count=BOXES
        )

    def regions(self) -> Any:
        """The store of embeddings."""
        return embed(
            self.data,
            self.proposals(),
            "stickers",
            self.out / "embeddings",
            workers=2,
            threads=1,
        )

    def detector(self, row: str) -> Any:
        """Of a row, trained or put together."""
        if row in CROPS:
            start = self.detector("text")
            return TeacherOnCrops(start, "stickers", text_branch=row == "text+crops")
        made = self.out / row / "detector"
        return load_pretrained(made) if made.exists() else self.trained(row)

    def measured(self, row: str, split: str) -> dict[str, Any]:
        """Metrics of a row on a split with intervals, unless that is done."""
        kept = self.out / "measured" / f"{row}-{plain(split)}.json"
        facts = detector_facts(self.detector("text" if row in CROPS else row))
        what = {**facts, "scenes": Stickers(split).fingerprint}
        if kept.exists():
            made = json.loads(kept.read_text())
            if made["detector"] == what:
                return made
        made = {"detector": what}
        found = self.evaluated(row, split)
        for kind, scored in found.scored.items():
            ranges = intervals(scored, found.protocol, SAMPLES)
            made[kind] = found.metrics[kind]
            made[f"{kind}_intervals"] = {n: [i.low, i.high] for n, i in ranges.items()}
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as new:
            new.write_text(json.dumps(made, indent=1))
        return made

    def evaluated(self, row: str, split: str) -> Evaluation:
        """What a row finds in a split, beside the truth."""
        folder = self.out / "found" / f"{row}-{plain(split)}"
        detector, scenes = self.detector(row), Stickers(split)
        if row != "supervised":
            return evaluate_detector(detector, scenes, out=folder)[0]
        # A closed set cannot be asked for novel classes, so it finds nothing of them.
        names = [c.name for c in scenes.categories if c.base]
        asked = Narrowed(scenes, names, keep_empty=True)
        evaluate_detector(detector, asked, out=folder)
        found = evaluate_files(truth_of(scenes, len(scenes)), folder / "results.json")
        found.save(folder)
        return found

    def timed(self, row: str, split: str) -> float:
        """Seconds that a scene takes, all names asked that the row can be asked."""
        detector, scenes = self.detector(row), Stickers(f"{split}:16")
        asked = [c for c in scenes.categories if not c.excluded]
        if row == "supervised":
            asked = [c for c in asked if c.base]
        words = detector.vocabulary([c.name for c in asked])
        images = [scenes[number].image for number in range(len(scenes))]
        for image in images:  # compiles what they need
            detector.detect(image, words)
        began = time.monotonic()
        for image in images:
            detector.detect(image, words)
        return (time.monotonic() - began) / len(images)


def take(ours: Any, theirs: Any) -> None:
    """A layer gets the weights of another like it."""
    for our, their in zip(ours.variables, theirs.variables, strict=True):
        our.assign(their)


def plain(split: str) -> str:
    """A split in the name of a file."""
    return split.replace("/", "-").replace(":", "-")


def line(row: str, split: str, made: dict[str, Any]) -> str:
    """A row of the table, in per cent."""
    return " | ".join([row, split, *(per_cent(made[k][n]) for k, n in SHOWN)])


def per_cent(value: float) -> str:
    """A metric; there is none where no object of its classes is."""
    return "-" if value < 0 else f"{100 * value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/stickers"))
    parser.add_argument("--scenes", type=int, default=6_000)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--distilled-start", type=Path, help="of branches that distil")
    parser.add_argument("--rows", nargs="+", default=["ensemble"])
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--measure", nargs="+", metavar="SPLIT", help="of the rows")
    asked.add_argument("--time", action="store_true", help="that a scene takes")
    options = parser.parse_args()
    study = Study(
        options.out,
        options.scenes,
        options.start,
        options.distilled_start,
        options.changes,
    )
    if options.measure:
        print(" | ".join(["row", "split", *(f"{k} {n}" for k, n in SHOWN)]))
    for row in options.rows:
        if options.time:
            print(f"{row}: {study.timed(row, 'test-seen'):.3f} s a scene", flush=True)
            continue
        if options.measure:
            for split in options.measure:
                print(line(row, split, study.measured(row, split)), flush=True)
            continue
        {"proposals": study.proposals, "regions": study.regions}.get(
            row, lambda row=row: study.trained(row)
        )()


if __name__ == "__main__":
    main()
