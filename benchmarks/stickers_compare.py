"""Which rows of the study on stickers differ by more than chance.

    python benchmarks/stickers_compare.py --out runs/stickers/base --rows text ensemble

What `stickers_study.py --measure` kept of two rows on the same scenes is drawn anew
together (a paired bootstrap), so that their difference is far surer than either. Every
row is compared with all that are named before it.
"""

import argparse
from itertools import combinations
from pathlib import Path

from common import with_ends
from stickers_study import plain

from vild.data.stickers import Stickers
from vild.evaluation import evaluate_files
from vild.evaluation.comparing import compare
from vild.evaluation.from_files import truth_of

SAMPLES = 300
SHOWN = ("AP", "APr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/stickers"))
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--splits", nargs="+", default=["test-seen", "test-unseen"])
    options = parser.parse_args()
    titles = " | ".join(f"mask {name}" for name in SHOWN)
    print(f"| split | from, to | {titles} |\n|---|---|{'---|' * len(SHOWN)}")
    for split in options.splits:
        scenes = Stickers(split)
        truth = truth_of(scenes, len(scenes))
        found = {
            row: evaluate_files(
                truth, options.out / "found" / f"{row}-{plain(split)}" / "results.json"
            )
            for row in options.rows
        }
        for first, second in combinations(options.rows, 2):
            made = compare(found[first], found[second], samples=SAMPLES)["segm"]
            cells = [with_ends(made.differences[name], "+") for name in SHOWN]
            print(f"| {split} | {first}, {second} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
