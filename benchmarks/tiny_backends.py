"""Trains the `tiny` recipe in full on every backend, and compares what came out.

    python benchmarks/tiny_backends.py [--out runs] [--backends jax torch tensorflow]

A training that was cut off goes on. Box AP of base and novel classes is that on all of
`drawn:val`, along the way.
"""

import argparse
import csv
import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs")
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    arguments = parser.parse_args()
    columns = ("step", "loss", "AP", "AP50", "AP50_base", "AP50_novel")
    for backend in arguments.backends:
        out = Path(arguments.out, f"tiny-{backend}")
        sets = [part for change in arguments.changes for part in ("--set", change)]
        subprocess.run(
            [
                *(sys.executable, "-m", "vild", "train", "tiny", "drawn:train"),
                *(
                    "--teacher",
                    "shapes",
                    "--val",
                    "drawn:val",
                    "--out",
                    str(out),
                    *sets,
                ),
            ],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        print(f"## {backend}")
        print("  ".join(f"{name:>10}" for name in columns))
        with (out / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            print("  ".join(f"{float(row[name]):10.3f}" for name in columns))
        seconds = sum(
            (int(row["step"]) - int(before["step"])) / float(row["images_per_second"])
            for before, row in zip([{"step": 0}, *rows], rows, strict=False)
        )
        print(f"minutes of training: {8 * seconds / 60:.1f}\n", flush=True)


if __name__ == "__main__":
    main()
