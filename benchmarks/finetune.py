"""What fine-tuning on a few new classes costs the old ones, one measure after another.

    python benchmarks/finetune.py DETECTOR [--novel colours] [--out runs/finetune]

DETECTOR was trained on `drawn:train`, or `drawn-colours:train` with `--novel colours`.
Half of the novel classes are the new ones, in a dataset of their own in COCO's form:
all other objects of its images have no box. On the validation scenes boxes are measured
of the new classes, of the old base classes, and of the other half of the novel ones,
for which there never was a label. Each row changes one thing more than the one before.
What is done is not done again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import vild
from vild.data.coco import Coco
from vild.data.coco_writing import write_coco
from vild.data.drawn_dataset import DrawnObjects
from vild.data.narrowed import Narrowed
from vild.data.picked import Picked
from vild.finetuning import recipe_for
from vild.recipes import changed

_KEEP = ["classes.partial=true", "losses.distill_weight=0.5"]
_FREEZE = "model.frozen=backbone,fpn,rpn"
_NAIVE = ["losses.distill_weight=0", "classes.partial=false", "model.frozen=[]"]
ROWS: dict[str, tuple[list[str], bool]] = {
    "labels only": (_NAIVE, False),
    "+ distillation": ([*_NAIVE, "losses.distill_weight=0.5"], False),
    "+ unlabelled may be old": ([*_KEEP, "model.frozen=[]"], False),
    "+ frozen backbone, fpn": ([*_KEEP, "model.frozen=backbone,fpn"], False),
    "+ frozen rpn (default)": ([*_KEEP, _FREEZE], False),
    "+ replay": ([*_KEEP, _FREEZE], True),
    "replay, nothing frozen": ([*_KEEP, "model.frozen=[]"], True),
    "replay alone": (_NAIVE, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detector")
    parser.add_argument(
        "--novel", choices=("compositions", "colours"), default="compositions"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/finetune"))
    parser.add_argument("--scenes", type=int, default=300, dest="images")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    arguments = parser.parse_args()
    train = DrawnObjects("train", novel=arguments.novel)
    novel = [c.name for c in train.categories if c.novel]
    new = novel[::2]
    if arguments.novel == "colours":  # one of the two
        colour = novel[0].split()[-2]
        new = [name for name in novel if name.split()[-2] == colour]
    folder = arguments.out / "dataset"
    if not (folder / "annotations.json").exists():
        # Scenes after those that the detector has learned from.
        end = len(train) + arguments.images
        more = DrawnObjects(f"train:{end}", novel=arguments.novel)
        write_coco(Narrowed(Picked(more, range(len(train), end)), new), folder)
    dataset = Coco(folder / "annotations.json")
    print(f"{len(dataset)} images, {len(new)} new classes: {', '.join(new)}")
    # Old images teach what they taught before: no label of a novel class.
    old = Narrowed(train, [c.name for c in train.categories if c.base])
    start = vild.load_pretrained(arguments.detector)
    validation = DrawnObjects("val", novel=arguments.novel)
    told = {}
    for name in arguments.rows:
        changes, replay = ROWS[name]
        if start.model.config["ensemble"] and "losses.distill_weight=0" in changes:
            # The image branch needs a distillation: one that weighs next to nothing.
            changes = [*changes, "losses.distill_weight=1e-6"]
        recipe = changed(
            recipe_for(start, steps=arguments.steps), [*changes, *arguments.changes]
        )
        began = time.monotonic()
        made = vild.finetune(
            start,
            dataset,
            recipe=recipe,
            out=arguments.out / name.replace(" ", "-").replace("+-", ""),
            replay=old if replay else None,
            replay_images=len(dataset),
            measure_on=[validation],
            quiet=True,
        )
        rows = [r for r in made.provenance["kept"] if r["dataset"] == validation.name]
        told[name] = {row["classes"]: row for row in rows}
        _show(name, told[name], time.monotonic() - began)
    (arguments.out / "finetune.json").write_text(json.dumps(told, indent=2))
    print("\n| AP50 (AP) | new classes | old base classes | never labelled |")
    print("|---|---|---|---|")
    first = next(iter(told.values()))
    print(f"| before | {_cells(first, 'before')} |")
    for name, row in told.items():
        print(f"| {name} | {_cells(row, 'after')} |")


def _cells(groups: dict[str, Any], when: str) -> str:
    return " | ".join(
        f"{100 * groups[g][f'AP50 {when}']:.1f} ({100 * groups[g][f'AP {when}']:.1f})"
        for g in ("new", "old", "open")
    )


def _show(name: str, groups: dict[str, Any], seconds: float) -> None:
    print(f"{name:26} {_cells(groups, 'after')}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
