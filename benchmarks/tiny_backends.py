"""Trains the `tiny` recipe in full on every backend, and compares what came out.

    python benchmarks/tiny_backends.py [--out runs] [--backends jax torch tensorflow]

Of each backend there is a training in `OUT/tiny-BACKEND`, the one of

    vild train tiny drawn:train --teacher shapes --val drawn:val --out OUT/tiny-BACKEND

One that is there is used, one that was cut off goes on. AP50 of base and novel classes
is that of boxes on all of `drawn:val` after each round; beside it is that of the same
network before its first step.

Ends with 1 if a backend does not get far above its untrained network, or if the curves
of two backends differ by more than noise. The seed is the same and so are the batches,
but the frameworks draw other initial weights: this is the noise of another seed. What
is allowed is our choice: a tenth of the last round's AP50 as a number, of each loss as
a part of it. Losses are compared from the second round on, since the first is the mean
over a steep fall.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")
COLUMNS = ("step", "loss", "AP", "AP50", "AP50_base", "AP50_novel")

# An untrained network finds nothing at all: ten times 0 would be no demand.
LEAST_CHANCE = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    parser.add_argument("--times", type=float, default=10, help="above untrained")
    parser.add_argument("--noise-ap", type=float, default=0.1, help="AP50, absolute")
    parser.add_argument("--noise-loss", type=float, default=0.1, help="of the loss")
    parser.add_argument("--untrained", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.untrained is not None:
        measure_untrained(arguments.untrained, arguments.changes)
        return 0
    curves, failures = {}, []
    for backend in arguments.backends:
        run = arguments.out / f"tiny-{backend}"
        train(run, backend, arguments.changes)
        curves[backend] = read(run)
        chance = untrained(run, backend, arguments.changes)
        show(backend, curves[backend], chance, batch_size(run))
        failures += too_low(backend, curves[backend], chance, arguments.times)
    if len(curves) > 1:
        failures += compare(curves, arguments.noise_ap, arguments.noise_loss)
    print("\n".join(failures) or "Every backend learns, and all of them alike.")
    return 1 if failures else 0


def train(run: Path, backend: str, changes: list[str]) -> None:
    """Trains to the end, or finds that this was done."""
    sets = [part for change in changes for part in ("--set", change)]
    subprocess.run(
        [
            *(sys.executable, "-m", "vild", "train", "tiny", "drawn:train"),
            *("--teacher", "shapes", "--val", "drawn:val", "--out", str(run), *sets),
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def read(run: Path) -> list[dict[str, float]]:
    """A row per round; a class that nothing was found of counts 0."""
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: float(value or 0) for name, value in row.items()} for row in rows]


def untrained(run: Path, backend: str, changes: list[str]) -> dict[str, float]:
    """AP of the network of a run before its first step; kept beside the run."""
    kept = run.with_name(f"{run.name}-untrained.json")
    if not kept.exists():
        subprocess.run(
            [sys.executable, __file__, "--untrained", str(run), "--set", *changes],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )
    return json.loads(kept.read_text())


def measure_untrained(run: Path, changes: list[str]) -> None:
    """In a process of its own, which has the backend of the run."""
    import vild
    from vild.data.drawn_dataset import DrawnObjects
    from vild.evaluation.evaluating import box_metrics
    from vild.recipes import changed, get_recipe
    from vild.runs.network import make_network

    detector = vild.load_pretrained(run / "detector")
    recipe = changed(get_recipe("tiny"), changes)
    start = make_network(recipe, detector.model.config["dim"])
    for mine, begun in zip(detector.model.variables, start.variables, strict=True):
        mine.assign(begun.value)
    found = box_metrics(detector, DrawnObjects("val"))
    told = {name: found[name] for name in COLUMNS if name in found}
    run.with_name(f"{run.name}-untrained.json").write_text(json.dumps(told))


def batch_size(run: Path) -> int:
    """Images of a batch of a run."""
    return json.loads((run / "run.json").read_text())["recipe"]["batch_size"]


def show(
    backend: str, rows: list[dict[str, float]], chance: dict[str, float], batch: int
) -> None:
    """The table of one backend, untrained network first."""
    print(f"## {backend}")
    print("  ".join(f"{name:>10}" for name in COLUMNS))
    for row in ({"step": 0.0, "loss": float("nan"), **chance}, *rows):
        print("  ".join(f"{row[name]:10.3f}" for name in COLUMNS))
    steps = [0.0, *(row["step"] for row in rows)]
    seconds = sum(
        (row["step"] - before) * batch / row["images_per_second"]
        for before, row in zip(steps, rows, strict=False)
    )
    print(f"minutes of training: {seconds / 60:.1f}\n", flush=True)


def too_low(
    backend: str, rows: list[dict[str, float]], chance: dict[str, float], times: float
) -> list[str]:
    """What is wrong with the end of one backend's training."""
    least = times * max(chance["AP50_base"], LEAST_CHANCE)
    end = rows[-1]["AP50_base"]
    if end >= least:
        return []
    return [
        f"{backend}: AP50 of base classes is {end:.3f} at the end, expected {least:.3f}"
    ]


def compare(
    curves: dict[str, list[dict[str, float]]], noise_ap: float, noise_loss: float
) -> list[str]:
    """A table of the spread between backends after each round, and what is too much."""
    failures = []
    print("## between backends")
    print("  ".join(f"{name:>10}" for name in ("step", "AP50_base", "loss, part")))
    rounds = list(zip(*curves.values(), strict=False))
    for number, rows in enumerate(rounds):
        steps = {row["step"] for row in rows}
        if len(steps) > 1:
            failures.append(f"rounds end at different steps: {sorted(steps)}")
            break
        ap, loss = spread(rows, "AP50_base"), spread(rows, "loss")
        part = loss / (sum(row["loss"] for row in rows) / len(rows))
        step = rows[0]["step"]
        print(f"{step:10.0f}  {ap:10.3f}  {part:10.3f}")
        if number and part > noise_loss:
            failures.append(
                f"step {step:.0f}: losses are {part:.3f} of their mean apart, "
                f"allowed {noise_loss}"
            )
        if number == len(rounds) - 1 and ap > noise_ap:
            failures.append(
                f"step {step:.0f}: AP50 of base classes is {ap:.3f} apart, allowed "
                f"{noise_ap}"
            )
    lengths = {backend: len(rows) for backend, rows in curves.items()}
    if len(set(lengths.values())) > 1:
        failures.append(f"numbers of rounds differ: {lengths}")
    print()
    return failures


def spread(rows: tuple[dict[str, float], ...], name: str) -> float:
    """Between the highest and the lowest backend."""
    values = [row[name] for row in rows]
    return max(values) - min(values)


if __name__ == "__main__":
    sys.exit(main())
