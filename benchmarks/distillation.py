"""What distillation brings: one detector trained with it, without it, and by it alone.

    KERAS_BACKEND=tensorflow python benchmarks/distillation.py [--seeds 0 1 2]

Of drawn objects, two colours have no label in training (`drawn-colours`). Rows:

    text        classes are texts, nothing is distilled (ViLD-text)
    vild        one branch learns both (ViLD)
    ensemble    a branch for texts and one for the teacher (ViLD-ensemble)
    image       the teacher alone, without a class loss (ViLD-image)
    crops       the teacher looks at crops of the boxes of `text`, after training
    text+crops  the text branch and the teacher on crops, as an ensemble

The distilled rows of a seed share its proposals and embeddings. A row is measured on
all of the validation split; what is done is not done again. `--data-seed 1` draws
other objects, with other colours held out: whoever chooses a weight does so there.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import Kept

import vild
from vild.data.drawn_dataset import DrawnObjects
from vild.data.stores import WithRegions, open_store
from vild.evaluation import evaluate_detector
from vild.files import replacing
from vild.recipes import changed, get_recipe
from vild.runs.run import train
from vild.teacher_on_crops import TeacherOnCrops

TRAINED = {
    "text": "tiny",
    "vild": "tiny-vild",
    "ensemble": "tiny-ensemble",
    "image": "tiny-image",
}
ROWS = ("text", "vild", "ensemble", "image", "crops", "text+crops")
SHOWN = ("AP50_base", "AP50_novel", "AP_base", "AP_novel", "AP")


class Study:
    """Rows of one seed."""

    def __init__(self, out: Path, seed: int, data_seed: int, changes: list[str]):
        self.out, self.seed, self.changes = out / f"seed{seed}", seed, changes
        self.train, self.val = (
            Kept(DrawnObjects(split, seed=data_seed, novel="colours"))
            for split in ("train", "val")
        )

    def recipe(self, row: str) -> Any:
        """Of a row that is trained."""
        base = get_recipe(TRAINED[row])
        # What distils has no meaning where nothing is distilled.
        changes = [c for c in self.changes if base.distils or "distill_weight" not in c]
        return changed(base, [f"seed={self.seed}", *changes])

    def detector(self, row: str) -> Any:
        """Trains what a row needs."""
        if row in ("crops", "text+crops"):
            return TeacherOnCrops(
                self.detector("text"), "shapes", text_branch=row == "text+crops"
            )
        if row == "text":
            return train(
                self.recipe(row),
                self.train,
                self.out / row,
                teacher="shapes",
                quiet=True,
            )
        if row == "vild":
            return vild.distill(
                self.train,
                teacher="shapes",
                recipe=self.recipe(row),
                out=self.out / row,
                quiet=True,
            )
        if not (self.out / "vild" / "detector").exists():
            self.detector("vild")
        return train(
            self.recipe(row),
            WithRegions(self.train, open_store(self.out / "vild" / "embeddings")),
            self.out / row,
            teacher="shapes",
            quiet=True,
        )

    def measured(self, row: str) -> dict[str, Any]:
        """Trains and measures a row, unless that is done."""
        kept = self.out / f"{row}.json"
        if kept.exists():
            return json.loads(kept.read_text())
        detector, minutes = _timed(lambda: self.detector(row))
        (found, _), looking = _timed(lambda: evaluate_detector(detector, self.val))
        made = {
            "minutes": minutes,
            "seconds_per_image": 60 * looking / len(self.val),
            **found.metrics["bbox"],
        }
        with replacing(kept) as new:
            new.write_text(json.dumps(made))
        return made


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work gives, and the minutes it took."""
    began = time.monotonic()
    done = work()
    return done, (time.monotonic() - began) / 60


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Mean, and smallest to largest of the seeds, in percent."""
    lines = [" | ".join(["row", *SHOWN, "minutes", "s/image"])]
    for row, seeds in rows.items():
        cells = []
        for name in SHOWN:
            values = [100 * one[name] for one in seeds]
            mean = f"{statistics.mean(values):.1f}"
            spread = f" ({min(values):.1f}-{max(values):.1f})"
            cells.append(mean + (spread if len(values) > 1 else ""))
        for name, digits in (("minutes", 1), ("seconds_per_image", 3)):
            cells.append(f"{statistics.mean(one[name] for one in seeds):.{digits}f}")
        lines.append(" | ".join([row, *cells]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/distillation"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--data-seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    arguments = parser.parse_args()
    done: dict[str, list[dict[str, Any]]] = {row: [] for row in arguments.rows}
    for seed in arguments.seeds:
        study = Study(arguments.out, seed, arguments.data_seed, arguments.changes)
        for row in arguments.rows:
            done[row].append(study.measured(row))
            print(f"seed {seed}\n{table({row: [done[row][-1]]})}\n", flush=True)
    print(table(done))


if __name__ == "__main__":
    main()
