"""Fits an image encoder for stickers to the words of `sticker_words.npz`; measures it.

    vild data stickers                               # once: fetches the pictures
    KERAS_BACKEND=tensorflow python benchmarks/fit_sticker_images.py
    python benchmarks/fit_sticker_images.py --measure

The words, which `fit_sticker_words.py` makes, must be there: crops of stickers in the
train styles learn to lie where their names do. The loss is a softmax over all concepts,
each by one of its names in one of the prompts, drawn anew for every batch; and a little
of the cosine with the right one. With `--leave-out val` the concepts of that part are
not shown, and nothing is shipped: it tells how far the space carries.

If it is cut off, the same command goes on after the last epoch.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from sticker_crops import clean_crops, scene_crops, training_crops

import vild.teachers
from vild.backends import keras
from vild.data.stickers import concepts
from vild.files import replacing
from vild.prompts import read_templates, write_prompts
from vild.teachers.packed import packed_weights
from vild.teachers.protocol import unit_rows
from vild.teachers.sticker_network import (
    DIM,
    folded,
    make_network,
    set_weights,
)
from vild.teachers.word_table import WordTable, unpacked

WEIGHTS = Path(vild.teachers.__file__).with_name("sticker_images.npz")
NOTHING = ("nothing", "background", "an empty background", "nothing at all", "texture")
VARIANTS = 48  # texts of each concept
SCALE, COSINE = 24.0, 0.5  # of the softmax; weight of the cosine
BATCH = 128
HANDS = {
    "seen": ("noto", "noto-v1", "openmoji", "emojione", "emojione-v1"),
    "for choices": ("fxemoji",),
    "unseen": ("twemoji", "fluent-flat", "fluent-3d"),
}
SPLITS = ("val:300", "val-unseen:300", "test-unseen/twemoji:300")

ops = keras.ops


def bank(table: WordTable) -> np.ndarray:
    """(concepts + 1, VARIANTS, D) unit vectors; the last row is of nothing."""
    rng = np.random.default_rng(0)
    templates = read_templates("vild")
    rows = []
    for names in [*(concept.synonyms for concept in concepts()), NOTHING]:
        texts = [names[k % len(names)] for k in range(VARIANTS)]
        # Half of them bare, as people type them.
        texts[1::2] = [
            write_prompts(text, [templates[rng.integers(len(templates))]])[0]
            for text in texts[1::2]
        ]
        rows.append(unit_rows(table.encode(texts), DIM))
    return np.stack(rows)


class Batches(keras.utils.PyDataset):
    """Crops in another order and other colours in each epoch."""

    def __init__(self, crops: np.ndarray, labels: np.ndarray, seed: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.crops, self.labels = crops, labels
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self.labels) // BATCH

    def on_epoch_end(self) -> None:
        """Draws another order."""
        self.order = self.rng.permutation(len(self.labels))

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[number * BATCH : (number + 1) * BATCH]
        images = self.crops[rows].astype(np.float32) / 127.5 - 1
        return recoloured(images, self.rng), self.labels[rows]


def recoloured(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other hands have other colours: mixes channels; flips half; covers a patch."""
    count = len(images)
    mix = np.eye(3) * rng.uniform(0.7, 1.3, (count, 1, 3))
    mix += rng.normal(0, 0.1, (count, 3, 3))
    grey = rng.random(count) < 0.1
    mix[grey] = np.array([0.3, 0.6, 0.1])[:, None]
    shift = rng.normal(0, 0.1, (count, 1, 1, 3))
    images = np.einsum("nhwc,ncd->nhwd", images, mix.astype(np.float32)) + shift
    flipped = rng.random(count) < 0.5
    images[flipped] = images[flipped, :, ::-1]
    side = images.shape[1]
    for image in images[rng.random(count) < 0.3]:
        top, left = rng.integers(0, side - 8, 2)
        tall, wide = rng.integers(6, side // 2, 2)
        image[top : top + tall, left : left + wide] = rng.uniform(-1, 1, 3)
    return np.clip(images, -1.2, 1.2).astype(np.float32)


def loss_over(texts: np.ndarray):
    """Softmax over concepts by names of chance, and the cosine with the right one."""
    texts = ops.convert_to_tensor(texts)
    chance = keras.random.SeedGenerator(0)

    def loss(labels, rows):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        pick = keras.random.randint((len(texts), 1, 1), 0, VARIANTS, seed=chance)
        names = ops.take_along_axis(texts, pick, axis=1)[:, 0]
        rows = ops.normalize(rows, axis=-1)
        cosines = ops.matmul(rows, ops.transpose(names))
        right = ops.take_along_axis(cosines, labels[:, None], axis=1)[:, 0]
        crossed = keras.losses.sparse_categorical_crossentropy(
            labels, SCALE * cosines, from_logits=True
        )
        return crossed + COSINE * (1 - right)

    return loss


def fit(table: WordTable, options: argparse.Namespace) -> dict[str, np.ndarray]:
    folder = options.work / (options.leave_out or "all")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"crops-{options.scenes}.npz"
    if not kept.exists():
        crops, labels = training_crops(options.scenes, 0, options.leave_out)
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, crops=crops, labels=labels)
    with np.load(kept) as stored:
        crops, labels = stored["crops"], stored["labels"]
    print(f"{len(labels)} crops", flush=True)
    network = make_network(normalised=True)
    batches = Batches(crops, labels, seed=1)
    steps = options.epochs * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=2e-3, warmup_steps=steps // 20
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.02),
        loss=loss_over(bank(table)),
    )
    network.fit(
        batches,
        epochs=options.epochs,
        verbose=2,
        callbacks=[keras.callbacks.BackupAndRestore(folder / "epochs")],
    )
    return folded(network)


def measure(table: WordTable, weights: dict[str, np.ndarray], part: str) -> None:
    network = make_network()
    set_weights(network, weights)

    def encode(images: np.ndarray) -> np.ndarray:
        rows = network.predict(images / np.float32(127.5) - 1, BATCH, verbose=0)
        return unit_rows(rows, DIM)

    texts = unit_rows(table.encode([concept.name for concept in concepts()]), DIM)
    there = np.array([not part or c.part == part for c in concepts()])
    print(f"names: {len(texts)}; counted: {there.sum()}\n{'':34} top-1  top-5 cosine")

    def show(title: str, rows: np.ndarray, labels: np.ndarray) -> None:
        rows, labels = rows[there[labels]], labels[there[labels]]
        cosines = rows @ texts.T
        right = cosines[np.arange(len(labels)), labels]
        better = (cosines > right[:, None]).sum(axis=1)
        shares = 100 * (better == 0).mean(), 100 * (better < 5).mean()
        print(f"{title:34} {shares[0]:5.1f}  {shares[1]:5.1f}   {right.mean():.2f}")

    for title, hands in HANDS.items():
        for hand in hands:
            crops, labels = clean_crops(hand)
            show(f"{hand} ({title}), clean", encode(crops), labels)
    for split in SPLITS:
        tight, wide, labels = scene_crops(split)
        began = time.monotonic()
        rows = unit_rows(encode(tight) + encode(wide), DIM)
        speed = 2 * len(labels) / (time.monotonic() - began)
        show(f"{split}, in scenes", rows, labels)
    print(f"{speed:.0f} crops a second, {math.prod((36, 2))} MFLOP each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--leave-out", choices=("novel", "val"), default="")
    parser.add_argument("--work", type=Path, default=Path("runs/sticker-images"))
    parser.add_argument("--measure", action="store_true", help="only that")
    options = parser.parse_args()
    table = unpacked(packed_weights("sticker_words.npz"))
    if options.measure:
        weights = dict(np.load(WEIGHTS, allow_pickle=False))
    else:
        weights = fit(table, options)
        if not options.leave_out:
            weights = {k: v.astype(np.float16) for k, v in weights.items()}
            with replacing(WEIGHTS) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **weights)
    measure(table, weights, options.leave_out)


if __name__ == "__main__":
    main()
