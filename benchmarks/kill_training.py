"""Kills a training again and again, and compares it with one left in peace.

    KERAS_BACKEND=torch python benchmarks/kill_training.py [--kills 10] [--steps 120]

The `tiny` recipe is trained once without interruption, and once under `kill -9` at
random moments, each time with the same command again. Weights, optimiser and history of
both must be equal: then the batches were, too.
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


def command(out: Path, steps: int, every: int) -> list[str]:
    changes = [f"steps={steps}", f"save_every={every}"]
    sets = [part for change in changes for part in ("--set", change)]
    return [
        *(sys.executable, "-m", "vild", "train", "tiny", "drawn:train:200"),
        *("--teacher", "shapes", "--out", str(out), *sets),
    ]


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
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        began = time.monotonic()
        steps = arguments.steps, arguments.every
        subprocess.run(command(whole, *steps), check=True, **quiet)
        seconds = time.monotonic() - began
        print(f"uninterrupted: {seconds:.0f} s, {arguments.steps} steps")
        kills = 0
        while kills < arguments.kills:
            begun = time.monotonic()
            process = subprocess.Popen(command(killed, *steps), **quiet)
            try:
                # From the start of the process on; frameworks take a part of that.
                process.wait(rng.uniform(0.1, 0.9) * seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                at = 0
                if (killed / "checkpoints" / "last").exists():
                    at = state(killed)[1]["step"]
                print(f"kill {kills}: the last checkpoint is of step {at}", flush=True)
            else:
                compare(whole, killed)
                print("done before it was killed; begun anew", flush=True)
                subprocess.run(["rm", "-r", str(killed)], check=True)
                seconds = min(seconds, time.monotonic() - begun)
        subprocess.run(command(killed, *steps), check=True, **quiet)
        compare(whole, killed)


def compare(whole: Path, killed: Path) -> None:
    """Says how far apart two finished trainings are; ends if they differ."""
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
