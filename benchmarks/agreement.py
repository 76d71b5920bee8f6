"""Do the backends agree? The same detector, the same photos, every framework.

    python benchmarks/agreement.py MODEL PHOTO... [--image-size 640 1024]

MODEL is a preset or a detector directory. Every detection of one backend is
looked for among those of another: same class, box within 0.5 px of the model
input, score within 0.01. Pictures go to --out.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--image-size", type=int, nargs="+", default=[640, 1024])
    parser.add_argument("--out", type=Path, help="folder for pictures")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        for backend in BACKENDS:
            command = [sys.executable, *sys.argv, "--worker", f"{folder}/{backend}"]
            environment = os.environ | {"KERAS_BACKEND": backend}
            subprocess.run(command, env=environment, check=True)
        for a, b in itertools.combinations(BACKENDS, 2):
            for path in sorted(Path(folder, a).glob("*.npz")):
                report(a, b, path, Path(folder, b, path.name))


def work(options: argparse.Namespace) -> None:
    """Detects on one backend and leaves the results in a folder."""
    import vild

    options.worker.mkdir()
    detector = vild.load_pretrained(options.model)
    for size, photo in itertools.product(options.image_size, options.photos):
        result = detector.detect(photo, image_size=size, score_threshold=0.0)
        name = f"{Path(photo).stem}-{size}"
        scale = size / max(result.image_size)
        np.savez(
            options.worker / f"{name}.npz",
            boxes=result.boxes * scale,
            scores=result.scores,
            class_ids=result.class_ids,
            masks=result.masks.mean((1, 2)),
        )
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            picture = result[:12].draw(photo)
            picture.save(options.out / f"{name}-{options.worker.name}.jpg")


def report(a: str, b: str, one: Path, other: Path) -> None:
    """Prints the share of the one's detections that the other has too."""
    ours, theirs = np.load(one), np.load(other)
    free = np.ones(len(theirs["scores"]), bool)
    hits, mask_difference = 0, 0.0
    for box, score, name, mask in zip(
        *(ours[key] for key in ("boxes", "scores", "class_ids", "masks")), strict=True
    ):
        fits = free & (theirs["class_ids"] == name)
        fits &= np.abs(theirs["scores"] - score) < 0.01
        fits &= (np.abs(theirs["boxes"] - box) < 0.5).all(1)
        if fits.any():
            place = int(np.argmax(fits))
            free[place] = False
            hits += 1
            mask_difference = max(mask_difference, abs(theirs["masks"][place] - mask))
    share = hits / max(len(ours["scores"]), 1)
    print(
        f"{one.stem:24} {a:10} {b:10} {share:7.1%} of {len(ours['scores'])}, "
        f"mask areas within {mask_difference:.1e} of the photo"
    )


if __name__ == "__main__":
    main()
