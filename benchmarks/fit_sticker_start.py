"""Makes what detectors of stickers begin with: a network that knows single crops.

    KERAS_BACKEND=tensorflow python benchmarks/fit_sticker_start.py --out runs/start
    python benchmarks/fit_sticker_start.py --from-teacher --out runs/teacher-start

Its first convolutions become the backbone, which looks at an image in four sizes, and
the others the branches of the region head: so a detector names what it is shown from
the first step, as detectors of photos begin with what ImageNet taught.

The network learns from crops and names of base concepts alone, so what is novel for the
detector stays so; crops, phases and loss are those of `fit_sticker_images.py`, and
where that has made its crops (`--work`), they are used. With `--from-teacher` it is the
teacher's own, which has seen novel concepts too.

If it is cut off, the same command goes on after the last epoch.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from fit_sticker_images import (
    WEIGHTS,
    Batches,
    Crops,
    begin_with,
    crops_of,
    learn,
    loss_over,
    measure,
    targets,
)

import vild
from vild.backends import keras
from vild.data.preprocessing import MEAN, STD
from vild.data.stickers import concepts
from vild.recipes import get_recipe
from vild.runs.network import make_network
from vild.teachers import sticker_network
from vild.teachers.packed import packed_weights
from vild.teachers.word_table import unpacked

NETWORK = "start.weights.h5"  # what was learned, in the folder of the crops
SHARED = 4  # convolutions of the network that become the backbone
EPSILON = 1e-4  # of the detector's batch norms


def base_only(crops: Crops) -> Crops:
    """Crops of base concepts and of nothing."""
    images, labels = crops
    wanted = np.array([c.part == "base" for c in concepts()] + [True])
    return images[wanted[labels]], labels[wanted[labels]]


def arrays(layer: Any) -> list[np.ndarray]:
    """The weights of a layer."""
    return [keras.ops.convert_to_numpy(value) for value in layer.weights]


def start(network: Any, nothing: np.ndarray) -> Any:
    """The model of an ensemble that begins with a network on crops.

    Args:
        network: of `sticker_network.make_network(normalised=True)`.
        nothing: (D,) where crops of nothing lie.
    """
    recipe = get_recipe("stickers-ensemble")
    model = make_network(recipe, recipe.model.dim)
    region = model.region
    for number in range(len(sticker_network.LAYERS)):
        (kernel,) = arrays(network.get_layer(f"conv{number}"))
        norm = network.get_layer(f"norm{number}")
        gamma, beta, mean, variance = arrays(norm)
        variance = variance + (norm.epsilon - EPSILON)
        if number == 0:  # it saw values from -1 to 1; a detector sees normalised ones
            mean = mean - kernel.sum((0, 1)).T @ (2 * np.asarray(MEAN) - 1)
            kernel = kernel * 2 * np.asarray(STD)[:, None]
        norms = [gamma, beta, mean, variance]
        if number < SHARED:
            model.backbone.get_layer(f"conv{number}").set_weights([kernel])
            model.backbone.get_layer(f"norm{number}").set_weights(norms)
            continue
        for branch in (region.text_branch, region.image_branch):
            layers = {layer.name: layer for layer in branch.layers}
            name = f"conv_{number - SHARED}"
            layers[name].set_weights([kernel, np.zeros_like(beta)])
            layers[f"{name}_norm"].set_weights(norms)
    kernel, bias = arrays(network.get_layer("dense"))
    for projection in (region.text_projection, region.image_projection):
        # It read the mean over the cells, a branch reads one cell after the other.
        cells = projection.kernel.shape[0] // len(kernel)
        projection.set_weights([np.tile(kernel / cells, (cells, 1)), bias])
    # From a direction by chance, learning what nothing is would cost all the names.
    region.background.assign(nothing)
    return model


def save(model: Any, out: Path) -> None:
    """As a detector, of no use yet: it has no words of its own."""
    words = vild.Vocabulary(["anything"], np.eye(1, model.config["dim"]))
    settings = get_recipe("stickers-ensemble").settings
    vild.Detector(model, words, teacher="stickers", **settings).save(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--from-teacher", action="store_true")
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--work", type=Path, default=Path("runs/sticker-images"))
    parser.add_argument("--out", type=Path, required=True, help="a detector directory")
    options = parser.parse_args()
    pictures, scenes = crops_of(options.scenes, "", options.work / "all")
    table = unpacked(packed_weights("sticker_words.npz"))
    network = sticker_network.make_network(normalised=True)
    if options.from_teacher:
        batches = Batches(pictures, scenes, 0.9, 1)
        images = np.concatenate([batches[number][0] for number in range(8)])
        begin_with(network, np.load(WEIGHTS, allow_pickle=False), images)
    else:
        batches = Batches(base_only(pictures), base_only(scenes), 0.0, options.epochs)
        kept = options.work / "start-epochs"
        learn(network, batches, loss_over(targets(table)), options.rate, kept)
        # For who goes on from here, as `fit_sticker_distilled.py` does.
        network.save_weights(options.work / NETWORK)
        for part in ("base", "novel"):
            print(f"{part} concepts")
            measure(table, sticker_network.folded(network), part)
    save(start(network, targets(table)[-1]), options.out)
    if not options.from_teacher:
        shutil.rmtree(kept)


if __name__ == "__main__":
    main()
