"""Distils the teacher into what detectors of stickers begin with, on crops alone.

    python benchmarks/fit_sticker_distilled.py --study runs/study --out runs/distilled

A step of a detector is spent on boxes and masks of whole scenes, and looks at few
regions: to learn concepts that no label names it takes more steps than a laptop has
time for. Here the same store of proposals, with the same vectors of the teacher, is
looked at crop by crop. No name and no label is used.

It goes on from what `fit_sticker_start.py` learned of base concepts (`--work` as
there); crops are kept in the folder of the study. The convolutions that become the
backbone stay as they are, so the RPN of the study fits this start too:
`stickers_study.py --distilled-start`.

If it is cut off, the same command goes on after the last epoch.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from fit_sticker_images import COSINE, SCALE, Batches, Crops, learn, measure, targets
from fit_sticker_start import NETWORK, SHARED, save, start
from PIL import Image
from tqdm import tqdm

from vild.backends import keras
from vild.data.crops import crop_bounds, crop_square
from vild.data.stickers import Stickers
from vild.data.stores import WithRegions
from vild.files import replacing
from vild.teachers import sticker_network
from vild.teachers.packed import packed_weights
from vild.teachers.word_table import unpacked

ops = keras.ops


def crops_of_store(store: Path, scenes: int, kept: Path) -> Crops:
    """Each proposal, cropped tightly, and the teacher's vector; made once."""
    if not kept.exists():
        dataset = WithRegions(Stickers(f"train:{scenes}"), store)
        side = sticker_network.SIDE
        crops, vectors = [], []
        for example in tqdm(dataset, "crops", len(dataset), disable=None):
            image = example.image
            scene = Image.fromarray(image)
            for bounds in crop_bounds(example.roi_boxes, image.shape[:2]):
                crops.append(crop_square(scene, bounds, side, "squash"))
            vectors.append(example.roi_features)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, crops=np.stack(crops), vectors=np.concatenate(vectors))
    with np.load(kept) as stored:
        return stored["crops"], stored["vectors"]


def distilling(vectors: Any, rows: Any) -> Any:
    """Each crop must be as like the others of its batch as the teacher finds them.

    And it must lie where the teacher's vector does, by the cosine: that alone, which
    is what a detector distils by, hardly tells concepts apart at first.
    """
    rows = ops.normalize(rows, axis=-1)
    others = ops.transpose(vectors)
    alike = ops.softmax(SCALE * ops.matmul(vectors, others))
    crossed = keras.losses.categorical_crossentropy(
        alike, SCALE * ops.matmul(rows, others), from_logits=True
    )
    return crossed + COSINE * (1 - ops.sum(rows * vectors, axis=-1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--study", type=Path, required=True, help="has the store")
    parser.add_argument("--scenes", type=int, default=6000, help="of the store")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--work", type=Path, default=Path("runs/sticker-images"))
    parser.add_argument("--out", type=Path, required=True, help="a detector directory")
    options = parser.parse_args()
    kept = options.study / f"crops-{options.scenes}.npz"
    crops = crops_of_store(options.study / "embeddings", options.scenes, kept)
    print(f"{len(crops[1])} crops", flush=True)
    network = sticker_network.make_network(normalised=True)
    network.load_weights(options.work / NETWORK)
    for number in range(SHARED):
        network.get_layer(f"conv{number}").trainable = False
        network.get_layer(f"norm{number}").trainable = False
    batches = Batches(crops, crops, 0.0, options.epochs)
    kept_epochs = options.study / f"distilled-{options.epochs}-epochs"
    learn(network, batches, distilling, options.rate, kept_epochs)
    table = unpacked(packed_weights("sticker_words.npz"))
    save(start(network, targets(table)[-1]), options.out)
    shutil.rmtree(kept_epochs)
    for part in ("base", "val"):
        print(f"{part} concepts")
        measure(table, sticker_network.folded(network), part)


if __name__ == "__main__":
    main()
