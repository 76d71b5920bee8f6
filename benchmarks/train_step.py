"""How fast a training step is, beside the machine's own matmul.

    KERAS_BACKEND=... python benchmarks/train_step.py [--image-size 512] [--batch 1]

The R50 ensemble as the release trains it (512 regions, 128 masks, 300 regions that
imitate the teacher), on random images. A step counts three times its forward pass; see
`flops.py`. Forward alone and optimiser are not told apart.
"""

import argparse
import time

import common
import flops
import numpy as np

from vild.backends import keras, kernels
from vild.recipes import changed, get_recipe
from vild.runs.network import make_network
from vild.runs.preparing import schedule
from vild.training.learner import Learner
from vild.training.optimizer import Momentum
from vild.training.trainer import Trainer


def batch_of(recipe: object, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A random batch of twenty objects an image."""
    size, count = recipe.inputs.image_size, recipe.batch_size
    objects, rois = 20, recipe.inputs.max_rois
    corners = rng.uniform(0, size - 40, (count, 320, 2))
    sides = rng.uniform(16, size / 3, (count, 320, 2))
    boxes = np.concatenate([corners, np.minimum(corners + sides, size - 1)], 2)
    boxes = boxes.astype("float32")
    padded = np.full((count, 300, 4), -1, "float32")
    padded[:, :objects] = boxes[:, :objects]
    classes = np.full((count, 300), -1, "int32")
    classes[:, :objects] = rng.integers(1, common.CLASSES, (count, objects))
    return {
        "images": rng.normal(size=(count, size, size, 3)).astype("float32"),
        "image_shape": np.full((count, 2), size, "float32"),
        "boxes": padded,
        "classes": classes,
        "masks": np.ones((count, 300, 112, 112), "float16"),
        "seeds": rng.integers(0, 2**31, count).astype("int32"),
        "roi_boxes": boxes[:, :rois],
        "roi_features": rng.normal(size=(count, rois, 512)).astype("float32"),
    }


def step_gflop(recipe: object) -> float:
    """Three times a forward pass."""
    size, losses = recipe.inputs.image_size, recipe.losses
    forward = (
        flops.resnet50(size, size)
        + flops.pyramid(size, size)
        + flops.rpn(size, size)
        + flops.region_branch(losses.regions)
        + flops.region_branch(recipe.inputs.max_rois)
        + flops.masks(losses.masks)
    )
    return 3 * forward * recipe.batch_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()
    recipe = changed(
        get_recipe("r50-ensemble"),
        [
            f"inputs.image_size={arguments.image_size}",
            f"batch_size={arguments.batch}",
            f"dtype={arguments.dtype}",
        ],
    )
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(common.CLASSES, 512)).astype("float32")
    with kernels.devices(1) as replicas:
        model = make_network(recipe, 512)
        learner = Learner(model, rows, None, recipe.losses, batch_size=arguments.batch)
        trainer = Trainer(learner)
        trainer.compile(
            optimizer=Momentum(schedule(recipe)), jit_compile=replicas.compiled
        )
        batch = batch_of(recipe, rng)
        start = time.perf_counter()
        trainer.train_on_batch(batch)
        first = time.perf_counter() - start
        times, peaks = [], [common.matmul_peak()]
        for _ in range(arguments.steps):
            start = time.perf_counter()
            trainer.train_on_batch(batch)
            times.append(time.perf_counter() - start)
        peaks.append(common.matmul_peak())
    work, peak = step_gflop(recipe), max(peaks)
    rate = work / min(times)
    common.heading("training step")
    print(
        f"R50 ensemble, {arguments.image_size} px, batch {arguments.batch}, "
        f"{arguments.dtype}: first step {first:.1f} s, then best {min(times):.2f}, "
        f"median {np.median(times):.2f} s"
    )
    print(
        f"{work:.0f} GFLOP a step, {rate:.0f} GFLOP/s, {100 * rate / peak:.0f} % of "
        f"the matmul's {peak:.0f} ({keras.backend.backend()} or NumPy, this run)"
    )
    print(f"peak memory {common.peak_memory():.1f} GB")


if __name__ == "__main__":
    main()
