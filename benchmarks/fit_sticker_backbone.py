"""Pretrains the backbone of a detector of stickers on crops of base concepts.

    KERAS_BACKEND=torch python benchmarks/fit_sticker_backbone.py --out trunk.weights.h5

`model.initial_weights` takes the file, as detectors of photos begin with what ImageNet
taught. It sees crops and names of base concepts alone, so what is novel for the
detector stays so. Crops, phases and loss are those of `fit_sticker_images.py`; where
that has made its crops (`--work`), they are used.

If it is cut off, the same command goes on after the last epoch.
"""

import argparse
from pathlib import Path

import numpy as np
from fit_sticker_images import Batches, Crops, crops_of, learn

from vild.backbones.plain import plain
from vild.backends import keras
from vild.data.preprocessing import MEAN, STD
from vild.data.stickers import concepts
from vild.files import replacing
from vild.layers import set_batch_norm
from vild.teachers.packed import packed_weights
from vild.teachers.sticker_network import DIM
from vild.teachers.word_table import unpacked


def base_only(crops: Crops) -> Crops:
    """Crops of base concepts and of nothing."""
    images, labels = crops
    wanted = np.array([c.part == "base" for c in concepts()] + [True])
    return images[wanted[labels]], labels[wanted[labels]]


def make_network(backbone: keras.Model) -> keras.Model:
    """A backbone between images from -1 to 1 and rows of the teacher's space."""
    images = keras.Input((None, None, 3))
    # As a detector normalises them.
    mean, std = (np.asarray(v, np.float32) for v in (MEAN, STD))
    scaled = keras.layers.Rescaling(0.5 / std, (0.5 - mean) / std)(images)
    # Not of the last map, which is pooled already.
    pooled = keras.layers.GlobalAveragePooling2D()(backbone(scaled)[-2])
    return keras.Model(images, keras.layers.Dense(DIM)(pooled))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--work", type=Path, default=Path("runs/sticker-images"))
    parser.add_argument("--out", type=Path, required=True, help="a .weights.h5 file")
    options = parser.parse_args()
    options.leave_out = ""
    table = unpacked(packed_weights("sticker_words.npz"))
    pictures, scenes = map(base_only, crops_of(options, options.work / "all"))
    backbone = plain()
    set_batch_norm(backbone, 0.98)
    network = make_network(backbone)
    batches = Batches(pictures, scenes, 0.0, options.epochs)
    kept = options.out.with_suffix(".epochs")
    learn(network, batches, table, options.rate, kept)
    with replacing(options.out) as temporary:
        named = temporary.with_suffix(".weights.h5")  # as Keras demands
        backbone.save_weights(named)
        named.rename(temporary)


if __name__ == "__main__":
    main()
