"""The whole road on real photos with a full-size network, on one backend after another.

    python benchmarks/distill_photos.py coco:instances.json [--teacher T] [--steps 3]

Each backend distils the recipe from nothing: first stage, proposals, embeddings,
training, all cut to a few steps and small images. Then every backend opens each of the
detectors and looks at the same photo: the regions it sees must be the same. It tells
nothing about quality. `shapes`, the default teacher, knows nothing of photos; any other
will do.
"""

import argparse
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


def found(backend: str, detector: Path, photo: Path) -> dict[str, np.ndarray]:
    """The regions of a photo, as a backend sees them."""
    file = photo.with_suffix(".npz")
    program = (
        "import sys, vild; detector, photo, file = sys.argv[1:]; "
        "vild.load_pretrained(detector).encode(photo).save(file)"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(detector), str(photo), str(file)],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
    )
    with np.load(file) as stored:
        return {name: stored[name] for name in ("boxes", "image_embeddings")}


def agreement(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Share of regions that the other has, too: the same box with the same embedding.

    Boxes within half a pixel, embeddings within 1e-3. In any order: an untrained
    network's regions are nearly alike in score.
    """
    boxes = np.abs(one["boxes"][:, None] - other["boxes"][None]).max(axis=2)
    shared = 0
    for row, near in enumerate(boxes < 0.5):
        seen = other["image_embeddings"][near] - one["image_embeddings"][row]
        shared += bool((np.abs(seen).max(axis=1) < 1e-3).any())
    return shared / len(boxes)


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
            backend: found(backend, detector, photo) for backend in options.backends
        }
        for backend, regions in seen.items():
            shared = agreement(seen[maker], regions)
            failed |= shared < 0.99
            print(
                f"  opened on {backend}: {len(regions['boxes'])} regions, "
                f"{100 * shared:.1f} % as they were",
                flush=True,
            )
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
