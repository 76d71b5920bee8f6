"""Fits an image encoder for stickers to the words of `sticker_words.npz`; measures it.

    vild data stickers                               # once: fetches the pictures
    KERAS_BACKEND=tensorflow python benchmarks/fit_sticker_images.py
    python benchmarks/fit_sticker_images.py --measure

The words, which `fit_sticker_words.py` makes, must be there: crops of stickers in the
train styles learn to lie where their names do. The loss is a softmax over all concepts,
each by the mean of its names in many prompts, and a little of the cosine with the right
one. With `--leave-out val` the concepts of that part are not shown, and nothing is
shipped: it tells how far the space carries.

If it is cut off, the same command goes on after the last epoch.
"""

import argparse
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sticker_crops import clean_crops, picture_crops, scene_crops, training_crops

import vild.teachers
from vild.backends import keras
from vild.data.stickers import concepts, style
from vild.data.stickers.art import art_path
from vild.data.stickers.splits import read_split
from vild.files import replacing
from vild.prompts import read_templates, write_prompts
from vild.teachers.packed import packed_weights
from vild.teachers.protocol import unit_rows
from vild.teachers.sticker_network import (
    DIM,
    LAYERS,
    SIDE,
    folded,
    make_network,
    set_weights,
)
from vild.teachers.word_table import WordTable, unpacked

WEIGHTS = Path(vild.teachers.__file__).with_name("sticker_images.npz")
NOTHING = ("nothing", "background", "an empty background", "nothing at all", "texture")
VARIANTS = 48  # texts of each concept
SCALE, COSINE = 24.0, 0.5  # of the softmax; weight of the cosine
BATCH, STEPS = 64, 300  # of an epoch
TIMES = 40  # crops of each picture
HANDS = {
    "seen": ("noto", "noto-v1", "openmoji", "emojione", "emojione-v1"),
    "for choices": ("fxemoji",),
    "unseen": ("twemoji", "fluent-flat", "fluent-3d"),
    "photos": ("stamps",),
}
SPLITS = ("val:300", "val-unseen:300", "test-unseen/twemoji:300", "test-photos:300")


class Phase(NamedTuple):
    """Until when, as a share of all epochs, training looks at what."""

    until: float
    side: int  # of the images; what is half as large costs a quarter
    scenes: float  # share of the crops that are of scenes, not of pictures alone
    recoloured: bool


# What is hard from the start teaches next to nothing for a long time.
PHASES = (
    Phase(0.25, 24, scenes=0.0, recoloured=False),
    Phase(0.5, 24, scenes=0.5, recoloured=True),
    Phase(0.8, 32, scenes=0.5, recoloured=True),
    Phase(1.0, SIDE, scenes=0.5, recoloured=True),
)
Crops = tuple[np.ndarray, np.ndarray]  # images and their labels
ops = keras.ops


def targets(table: WordTable) -> np.ndarray:
    """(concepts + 1, D) unit rows, each the mean of many texts; the last: nothing."""
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
        rows.append(unit_rows(table.encode(texts), DIM).mean(axis=0))
    return unit_rows(np.stack(rows), DIM)


class Batches(keras.utils.PyDataset):
    """Crops drawn by chance, epoch by epoch as `PHASES` says."""

    def __init__(self, pictures: Crops, scenes: Crops, start: float, epochs: int):
        super().__init__()
        self.pictures, self.scenes = pictures, scenes
        self.start, self.epochs = start, epochs
        self.begin(0)

    def __len__(self) -> int:
        return STEPS

    def begin(self, epoch: int) -> None:
        """Each epoch is drawn by its number, whether or not it follows a restart."""
        self.rng = np.random.default_rng([1, epoch])
        self.phase = self.at(epoch)

    def at(self, epoch: int) -> Phase:
        """What an epoch looks at."""
        done = self.start + (1 - self.start) * epoch / self.epochs
        return next(phase for phase in PHASES if done < phase.until)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        parts = []
        of_scenes = round(BATCH * self.phase.scenes)
        for (crops, labels), count in (
            (self.pictures, BATCH - of_scenes),
            (self.scenes, of_scenes),
        ):
            rows = self.rng.integers(0, len(labels), count)
            parts.append((crops[rows], labels[rows]))
        crops, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        images = crops.astype(np.float32) / 127.5 - 1
        images = shrunk(images, self.phase.side)
        if self.phase.recoloured:
            images = recoloured(images, self.rng)
        return images, labels


def shrunk(images: np.ndarray, side: int) -> np.ndarray:
    """(N, side, side, 3): each pixel is the mean of what it covers."""
    edges = np.arange(side + 1) * SIDE / side
    pixels = np.arange(SIDE)
    ends = np.minimum(edges[1:, None], pixels + 1)
    covered = np.maximum(ends - np.maximum(edges[:-1, None], pixels), 0)
    covered = np.float32(covered * side / SIDE)
    for _ in range(2):
        count, tall, wide, _ = images.shape
        images = covered @ images.reshape(count, tall, wide * 3)
        images = images.reshape(count, side, wide, 3).swapaxes(1, 2)
    return images


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
    """Softmax over concepts by their texts, and the cosine with the right one."""
    texts = ops.convert_to_tensor(texts)

    def loss(labels, rows):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        cosines = ops.matmul(ops.normalize(rows, axis=-1), ops.transpose(texts))
        right = ops.take_along_axis(cosines, labels[:, None], axis=1)[:, 0]
        crossed = keras.losses.sparse_categorical_crossentropy(
            labels, SCALE * cosines, from_logits=True
        )
        return crossed + COSINE * (1 - right)

    return loss


def crops_of(scenes: int, leave_out: str, folder: Path) -> tuple[Crops, Crops]:
    """Of pictures alone and of scenes, made once."""
    kept = folder / f"crops-{scenes}.npz"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        crops, labels = training_crops(scenes, 0, leave_out)
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, crops=crops, labels=labels)
    with np.load(kept) as stored:
        of_scenes = stored["crops"], stored["labels"]
    places = of_scenes[0][of_scenes[1] == len(concepts())]
    pictures = picture_crops(HANDS["seen"], TIMES, places, 0, leave_out)
    return pictures, of_scenes


def begin_with(network: Any, weights: Mapping[str, np.ndarray], images: Any) -> None:
    """Puts weights without batch normalisation into a network with it.

    It computes the same as long as its inputs are spread like the images.
    """
    maps = ops.convert_to_tensor(images)
    for number in range(len(LAYERS)):
        convolution = network.get_layer(f"conv{number}")
        norm = network.get_layer(f"norm{number}")
        convolution.kernel.assign(weights[f"kernel{number}"].astype("float32"))
        maps = convolution(ops.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0))))
        mean, variance = ops.moments(maps, axes=(0, 1, 2))
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)
        norm.gamma.assign(ops.sqrt(variance + norm.epsilon))
        bias = weights[f"bias{number}"].astype("float32")
        norm.beta.assign(ops.convert_to_tensor(bias) + mean)
        maps = ops.relu(norm(maps, training=False))
    dense = network.get_layer("dense")
    dense.kernel.assign(weights["kernel"].astype("float32"))
    dense.bias.assign(weights["bias"].astype("float32"))


def learn(
    network: Any, batches: Batches, loss: Any, highest: float, kept: Path
) -> None:
    """All epochs, or those after the last one that is kept.

    Whoever has saved what was learned may delete `kept`.
    """
    steps = batches.epochs * STEPS
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=highest, warmup_steps=steps // 20
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.02),
        loss=loss,
    )
    callbacks = [
        keras.callbacks.BackupAndRestore(kept, delete_checkpoint=False),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.begin(epoch)
        ),
    ]
    sides = [batches.at(epoch).side for epoch in range(batches.epochs)]
    for end in range(1, batches.epochs + 1):
        # Keras takes images of one size in a call; it goes on from what is kept.
        if end == batches.epochs or sides[end] != sides[end - 1]:
            batches.begin(end - 1)
            network.fit(batches, epochs=end, verbose=2, callbacks=callbacks)


def fit(table: WordTable, options: argparse.Namespace) -> dict[str, np.ndarray]:
    folder = options.work / (options.leave_out or "all")
    pictures, scenes = crops_of(options.scenes, options.leave_out, folder)
    print(
        f"{len(pictures[1])} crops of pictures, {len(scenes[1])} of scenes", flush=True
    )
    network = make_network(normalised=True)
    start = 0.5 if options.go_on else 0.0
    batches = Batches(pictures, scenes, start, options.epochs)
    if options.go_on:
        weights = np.load(WEIGHTS, allow_pickle=False)
        images = np.concatenate([batches[number][0] for number in range(8)])
        begin_with(network, weights, images)
    learn(network, batches, loss_over(targets(table)), options.rate, folder / "epochs")
    return folded(network)


def there_is(hand: str) -> bool:
    """Whether a style can be shown: photos only where they were asked for."""
    return style(hand).part != "photos" or art_path(style(hand)).is_file()


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
        if not len(labels):  # of a part that the split does not ask for
            return
        cosines = rows @ texts.T
        right = cosines[np.arange(len(labels)), labels]
        better = (cosines > right[:, None]).sum(axis=1)
        shares = 100 * (better == 0).mean(), 100 * (better < 5).mean()
        print(f"{title:34} {shares[0]:5.1f}  {shares[1]:5.1f}   {right.mean():.2f}")

    for title, hands in HANDS.items():
        for hand in filter(there_is, hands):
            crops, labels = clean_crops(hand)
            show(f"{hand} ({title}), clean", encode(crops), labels)
    for split in SPLITS:
        if not all(there_is(one.name) for one in read_split(split).styles):
            continue
        tight, wide, labels = scene_crops(split)
        began = time.monotonic()
        rows = unit_rows(encode(tight) + encode(wide), DIM)
        speed = 2 * len(labels) / (time.monotonic() - began)
        show(f"{split}, in scenes", rows, labels)
    print(f"{speed:.0f} crops a second, 72 MFLOP each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--leave-out", choices=("novel", "val"), default="")
    parser.add_argument("--work", type=Path, default=Path("runs/sticker-images"))
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="from the shipped weights, with the second half of the phases",
    )
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
    if not options.measure:  # all is done, so the next run begins anew
        shutil.rmtree(options.work / (options.leave_out or "all") / "epochs")


if __name__ == "__main__":
    main()
