"""Images a second that the input pipeline makes, over threads and processes.

    python benchmarks/input_pipeline.py
    python benchmarks/input_pipeline.py annotations.json folder-of-images

Without arguments, of drawn scenes that are written as JPEGs first. Beside it: decoding
alone. All figures are the best of several rounds, which go through all settings in
turn, since machines are noisy; the processor time that an image takes in one thread
says most where others are at work.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from vild.data.batches import Batches
from vild.data.coco import Coco
from vild.data.drawn_dataset import DrawnObjects
from vild.data.example import Example
from vild.data.input_settings import InputSettings
from vild.data.pictures import Picture

SHARING = [(1, 0), (2, 0), (1, 1), (1, 2)]
BATCH = 4


class Jpegs:
    """Drawn scenes, with their pictures in files."""

    name = "drawn scenes as JPEGs"

    def __init__(self, folder: str) -> None:
        scenes = DrawnObjects("train:96", (480, 640), (4, 12))
        self.categories = scenes.categories
        self.examples = []
        for example in (scenes[index] for index in range(len(scenes))):
            path = Path(folder, f"{example.image_id}.jpg")
            Image.fromarray(example.image).save(path, quality=90)
            self.examples.append(replace(example, picture=Picture(path)))

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return replace(self.examples[index])  # a copy: nothing decoded is kept


def decoding(dataset: Any, threads: int) -> float:
    """Images a second that are decoded, and nothing else."""
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(lambda i: len(dataset[i].image) > 0, range(len(dataset))))
    return count / (time.perf_counter() - start)


def speed(batches: Iterator[Any], seconds: float) -> tuple[float, float]:
    """Images a second of an iterator that runs, and a second of processor time."""
    for _ in range(3):
        next(batches)
    start, busy, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        count += len(next(batches)["images"])
    return (
        count / (time.perf_counter() - start),
        count / (time.process_time() - busy),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("annotations", nargs="?")
    parser.add_argument("images", nargs="?")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 640])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--copy-paste", type=float, default=0.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.annotations:
            dataset: Any = Coco(options.annotations, options.images)
        else:
            dataset = Jpegs(folder)
        measure(dataset, options)


def measure(dataset: Any, options: argparse.Namespace) -> None:
    labels = {c.id: row + 1 for row, c in enumerate(dataset.categories)}
    best: dict[Any, float] = {}
    for _ in range(options.rounds):
        for threads in (1, 2):
            key, busy = ("decoding", threads), time.process_time()
            best[key] = max(best.get(key, 0), decoding(dataset, threads))
            rate = len(dataset) / (time.process_time() - busy)
            best["decoding"] = max(best.get("decoding", 0), rate)
        for size, sharing in itertools.product(options.sizes, SHARING):
            settings = InputSettings(size, copy_paste=options.copy_paste)
            source = Batches(
                dataset,
                labels,
                settings,
                BATCH,
                threads=sharing[0],
                workers=sharing[1],
            )
            iterator = iter(source.from_step())
            found, of_processor = speed(iterator, options.seconds)
            iterator.close()
            best[size, sharing] = max(best.get((size, sharing), 0), found)
            if sharing == (1, 0):
                best[size] = max(best.get(size, 0), of_processor)
    objects = sum(len(dataset[i]) for i in range(len(dataset))) / len(dataset)
    print(
        f"## Input pipeline: {dataset.name}, {objects:.1f} objects an image, batches "
        f"of {BATCH}, {os.cpu_count()} CPUs\n"
    )
    print("| images/s | 1 thread | 2 threads | 1 worker | 2 workers | CPU ms/image |")
    print("|---|---|---|---|---|---|")
    one, two = best["decoding", 1], best["decoding", 2]
    of = 1000 / best["decoding"]
    print(f"| decoding alone | {one:.0f} | {two:.0f} | | | {of:.1f} |")
    for size in options.sizes:
        cells = " | ".join(f"{best[size, sharing]:.1f}" for sharing in SHARING)
        print(f"| {size} px | {cells} | {1000 / best[size]:.1f} |")


if __name__ == "__main__":
    main()
