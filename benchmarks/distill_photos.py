"""The whole road on real photos with a full-size network, on one backend after another.

    python benchmarks/distill_photos.py coco:instances.json [--teacher T] [--steps 3]

Each backend distils the recipe from nothing: first stage, proposals, embeddings,
training, all cut to a few steps and small images. Then every backend opens each of the
detectors and looks at the same photo: what they find must agree. It tells nothing about
quality. `shapes`, the default teacher, knows nothing of photos; any other will do.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import common
import numpy as np
from PIL import Image

CHANGES = [
    "inputs.image_size=256",
    "inputs.max_objects=50",
    "inputs.max_rois=8",
    "inputs.scale=0.8,1.2",
    "batch_size=2",
    "losses.regions=64",
    "losses.region_positives=16",
    "losses.masks=8",
    "losses.num_proposals=100",
    "optimizer.reference_batch=2",
    "optimizer.rate=0.002",
    "optimizer.start=0.0005",
    "optimizer.warmup=2",
]


def vild(backend: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "vild", *arguments],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def distilled(backend: str, options: argparse.Namespace) -> Path:
    out = options.out / backend
    steps = [f"steps={options.steps}", f"save_every={options.steps}"]
    sets = [part for change in [*CHANGES, *steps] for part in ("--set", change)]
    began = time.monotonic()
    vild(
        backend,
        *("distill", options.recipe, options.dataset, "--teacher", options.teacher),
        *("--out", str(out), *sets),
    )
    minutes = (time.monotonic() - began) / 60
    row = (out / "run" / "history.csv").read_text().splitlines()
    named = dict(zip(row[0].split(","), row[-1].split(","), strict=True))
    print(
        f"{backend}: {minutes:.1f} minutes, loss {float(named['loss']):.2f}, "
        f"distillation {float(named['distill_loss']):.2f}",
        flush=True,
    )
    return out / "detector"


def found(backend: str, detector: Path, photo: Path, teacher: str) -> list[dict]:
    file = photo.with_suffix(".json")
    vild(
        backend,
        *("detect", str(photo), "--model", str(detector), "--json", str(file)),
        *("--classes", "person,bus,a red thing", "--teacher", teacher),
        *("--score-threshold", "0", "--out", str(photo.parent / "drawn")),
    )
    return json.loads(file.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--teacher", default="shapes")
    parser.add_argument("--recipe", default="r50-ensemble")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/photos"))
    parser.add_argument("--backends", nargs="+", default=["jax", "torch", "tensorflow"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    photo = options.out / "photo.png"
    Image.fromarray(common.photo()).save(photo)
    failed = False
    for maker in options.backends:
        detector = distilled(maker, options)
        seen = {
            backend: scores(found(backend, detector, photo, options.teacher))
            for backend in options.backends
        }
        own = seen[maker]
        for backend, other in seen.items():
            same = len(own) == len(other)
            off = float(np.abs(own - other).max(initial=0)) if same else np.inf
            failed |= off > 1e-3
            print(
                f"  opened on {backend}: {len(other)} detections, largest "
                f"difference of a score {off:.1e}",
                flush=True,
            )
    raise SystemExit(failed)


def scores(photos: list[dict]) -> np.ndarray:
    """Best first."""
    every = [one["score"] for photo in photos for one in photo["detections"]]
    return np.sort(every)[::-1]


if __name__ == "__main__":
    main()
