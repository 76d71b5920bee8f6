"""`kill -9` at random moments of `vild embed`, the same command again: the same bytes?

    python benchmarks/kill_embed.py [--kills 10] [--engines local-1 local-2 ray-2]

For each engine a store is made under fire: the command is killed at a random moment
between its start and its end, and started again, until it has been killed so often; if
it ends before, the next store is begun. Every store that ends is compared, file by
file, with one that one process made undisturbed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vild.data.drawn_dataset import DrawnObjects

IMAGES = 240
SCENES = f"drawn:train:{IMAGES}"


def boxes(path: Path) -> None:
    """Boxes around objects and beside them, as a person might bring them."""
    rng = random.Random(0)
    entries = []
    for example in DrawnObjects(f"train:{IMAGES}"):
        for x1, y1, x2, y2 in example.boxes.tolist():
            for _ in range(8):
                box = [x1 + rng.gauss(0, 6), y1 + rng.gauss(0, 6), x2 - x1, y2 - y1]
                entry = {"image_id": example.image_id, "bbox": box}
                entries.append({**entry, "score": rng.random()})
    path.write_text(json.dumps(entries))


def command(folder: Path, out: Path, engine: str) -> list[str]:
    kind, workers = engine.rsplit("-", 1)
    start = [sys.executable, "-m", "vild"]
    if kind == "proposals":
        return [*start, kind, f"{folder}/boxes.json", SCENES, "--out", str(out)]
    return [
        *start,
        *["embed", SCENES, "--proposals", f"{folder}/boxes", "--teacher", "shapes"],
        *["--out", str(out), "--images-per-shard", "8"],
        *["--engine", kind, "--workers", workers],
    ]


def run(arguments: list[str], seconds: float | None = None) -> bool:
    """Runs a command; False if it was killed."""
    process = subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return False
    if code:
        raise SystemExit(f"{' '.join(arguments)} ended with {code}")
    return True


def everything(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(path.iterdir())}


def under_fire(
    folder: Path, engine: str, kills: int, rng: random.Random
) -> tuple[int, list[int], bool]:
    """How many stores were finished, shards at each kill, and whether all are equal."""
    whole = everything(folder / "whole")
    out = folder / engine
    start = time.monotonic()
    run(command(folder, out, engine))
    seconds = time.monotonic() - start
    print(f"{engine}: undisturbed in {seconds:.1f} s", flush=True)
    equal = everything(out) == whole
    shutil.rmtree(out)
    stores, moments = 1, []
    while len(moments) < kills or out.exists():
        limit = rng.uniform(0.1, seconds) if len(moments) < kills else None
        if run(command(folder, out, engine), limit):
            equal &= everything(out) == whole
            shutil.rmtree(out)
            stores += 1
        else:
            moments.append(len(list(out.glob("shard-*"))) if out.exists() else 0)
    return stores, moments, equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--engines", nargs="+", default=["local-1", "local-2", "ray-2"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        boxes(folder / "boxes.json")
        run(command(folder, folder / "boxes", "proposals-1"))
        run(command(folder, folder / "whole", "local-1"))
        for engine in options.engines:
            stores, moments, equal = under_fire(folder, engine, options.kills, rng)
            print(
                f"{engine}: {len(moments)} kills, with {moments} shards of "
                f"{IMAGES // 8} written; {stores} stores finished, "
                f"{'all identical' if equal else 'NOT ALL IDENTICAL'}",
                flush=True,
            )
            failed |= not equal
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
