"""Kills a training again and again, and compares it with one left in peace.

    KERAS_BACKEND=torch python benchmarks/kill_training.py [--kills 10] [--steps 120]
    KERAS_BACKEND=torch python benchmarks/kill_training.py --distill [--engine ray]

The `tiny` recipe is trained once without interruption, and once under `kill -9` at
random moments, each time with the same command again. Weights, optimiser and history of
both must be equal: then the batches were, too. With `--distill` it is all of a
distillation by `tiny-vild`, from the first stage on, whose stores of proposals and of
embeddings must be the same bytes.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def command(out: Path, arguments: argparse.Namespace) -> list[str]:
    changes = [f"steps={arguments.steps}", f"save_every={arguments.every}"]
    sets = [part for change in changes for part in ("--set", change)]
    verb = ["train", "tiny"]
    if arguments.distill:
        verb = ["distill", "tiny-vild", "--engine", arguments.engine]
    return [
        *(sys.executable, "-m", "vild", *verb, "drawn:train:200"),
        *("--teacher", "shapes", "--out", str(out), *sets),
    ]


def where(out: Path) -> str:
    """What a killed run has done so far, in words."""
    done = [name for name in ("proposals", "embeddings") if (out / name).exists()]
    for name in ("rpn", "run", "."):
        if (out / name / "checkpoints" / "last").exists():
            done.append(f"step {state(out / name)[1]['step']} of {name}")
    return ", ".join(done) or "nothing yet"


def state(out: Path) -> tuple[dict, dict]:
    last = out / "checkpoints" / "last"
    with np.load(last / "variables.npz") as stored:
        values = dict(stored)
    return values, json.loads((last / "state.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--distill", action="store_true")
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        began = time.monotonic()
        subprocess.run(command(whole, arguments), check=True, **quiet)
        seconds = time.monotonic() - began
        print(f"uninterrupted: {seconds:.0f} s, {arguments.steps} steps")
        kills = 0
        while kills < arguments.kills:
            process = subprocess.Popen(command(killed, arguments), **quiet)
            try:
                # From the start of the process on; frameworks take a part of that.
                process.wait(rng.uniform(0.1, 0.9) * seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                print(f"kill {kills}: there is {where(killed)}", flush=True)
            else:
                compare(whole, killed)
                print("done before it was killed; begun anew", flush=True)
                subprocess.run(["rm", "-r", str(killed)], check=True)
        subprocess.run(command(killed, arguments), check=True, **quiet)
        compare(whole, killed)


def compare(whole: Path, killed: Path) -> None:
    """Says how far apart two finished trainings are; ends if they differ."""
    for store in ("proposals", "embeddings"):
        if (whole / store).exists():
            one, other = (
                {p.name: p.read_bytes() for p in (out / store).iterdir()}
                for out in (whole, killed)
            )
            if one != other:
                sys.exit(f"the {store} differ")
            print(f"{store}: {len(one)} files, identical")
    for run in ("rpn", "run", "."):
        if (whole / run / "checkpoints").exists():
            compare_runs(whole / run, killed / run)


def compare_runs(whole: Path, killed: Path) -> None:
    (one, first), (other, second) = state(whole), state(killed)
    if one.keys() != other.keys():
        sys.exit("the two trainings have other variables")
    # Each beside the largest number of its own array.
    worst = max(
        float(np.abs(one[k] - other[k]).max() / max(np.abs(one[k]).max(), 1e-12))
        for k in one
    )
    losses = [[row["loss"] for row in s["history"]] for s in (first, second)]
    off = np.abs(np.subtract(*losses)).max()
    print(
        f"steps {first['step']} and {second['step']}; largest relative difference of "
        f"any weight or momentum {worst:.3g}, of any round's loss {off:.3g}",
        flush=True,
    )
    if not max(worst, off) <= 1e-5:
        sys.exit("the two trainings differ")


if __name__ == "__main__":
    main()
