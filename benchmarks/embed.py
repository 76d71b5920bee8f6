"""Crops per second of `vild embed` against the loop that comes to mind first.

    python benchmarks/embed.py [--boxes 64] [--images 2]

The naive loop opens a photo once, then preprocesses and encodes each crop alone, in
float32, with open_clip's own transform. The teacher is a ViT-B-32 with random weights;
for the pipeline alone it is one that does nothing. Photos are 640 x 480 JPEGs with
boxes of 16 to 430 pixels, as many small as large ones.

Rates are told by the clock and by the seconds that processors were busy. On a machine
that others use too only the latter say much, and only with OMP_NUM_THREADS=1, since
threads that wait for each other are busy.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import photo
from PIL import Image

from vild.data.categories import Category
from vild.data.crops import SCALES, crop_bounds, crop_rule
from vild.data.example import Example
from vild.data.pictures import Picture
from vild.data.stores import open_store
from vild.data.stores.header import make_header
from vild.data.stores.shard import Entry, shard_images
from vild.data.stores.writing import making
from vild.embedding.work import Work, processors
from vild.teachers.open_clip import OpenClip
from vild.teachers.torchvision_ops import import_open_clip

LVIS_CROPS = 99_342 * 300 * len(SCALES)
# ViT-B/32 at 224 pixels, a multiplication and an addition counted as two.
GFLOP_PER_CROP = 8.8


class Photos:
    """Photos in memory, as JPEG."""

    name = "photos"
    fingerprint = "noise"
    categories = (Category(1, "thing"),)

    def __init__(self, count: int) -> None:
        self._count = count
        buffer = io.BytesIO()
        Image.fromarray(photo()).save(buffer, "JPEG", quality=90)
        self._encoded = buffer.getvalue()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        if index >= self._count:
            raise IndexError(index)
        boxes, ids = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
        return Example(index, Picture(self._encoded), (480, 640), boxes, ids)


class Free:
    """A teacher that does nothing, with the photos of CLIP."""

    name, dim, image_size, resize = "free", 512, 224, "crop"
    fingerprint: dict[str, Any] = {}  # noqa: RUF012
    row = np.eye(1, 512, dtype=np.float32)

    def encode_text(self, texts: Any) -> np.ndarray:
        """The same for every text."""
        return self.row.repeat(len(texts), axis=0)

    def encode_image(self, images: np.ndarray) -> np.ndarray:
        """The same for every image."""
        return self.row.repeat(len(images), axis=0)


def boxes_of(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) boxes inside 640 x 480."""
    sides = np.exp(rng.uniform(np.log(16), np.log(430), (count, 2)))
    corners = rng.uniform(0, 1, (count, 2)) * ([640, 480] - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype("float32")


def write_proposals(folder: Path, dataset: Photos, count: int) -> Any:
    rng = np.random.default_rng(0)
    with making(folder, make_header("proposals", dataset, 10**6)) as work:
        scores = np.ones(count, np.float32)
        entries = {i: Entry(boxes_of(rng, count), scores) for i in range(len(dataset))}
        work.write(0, work.content(0, entries))
    return open_store(folder)


class Clock:
    """Seconds since it was made: of the clock, and of all processors."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def rates(self, count: int) -> tuple[float, float]:
        """How many a second of either."""
        now = time.perf_counter(), time.process_time()
        wall, busy = (b - a for a, b in zip(self._start, now, strict=True))
        return count / wall, count / busy


Rates = tuple[float, float]


def naive(dataset: Photos, proposals: Any, encode: Callable, crops: int) -> Rates:
    """Crops per second of the naive loop."""
    from torch import inference_mode

    transform = import_open_clip().image_transform(224, is_train=False)
    done, clock = 0, Clock()
    with inference_mode():
        for index in range(len(dataset)):
            image = Image.open(io.BytesIO(dataset[index].picture.encoded()))
            image = image.convert("RGB")
            for box in proposals[index][0]:
                rows = []
                for scale in SCALES:
                    bounds = crop_bounds(box, (480, 640), scale)[0]
                    crop = transform(image.crop(tuple(bounds.tolist())))
                    rows.append(encode(crop[None]))
                    done += 1
                total = rows[0] + rows[1]
                _ = total / np.linalg.norm(np.asarray(total))
                if done >= crops:
                    return clock.rates(done)
    return clock.rates(done)


def ours(
    folder: Path, dataset: Photos, proposals: Any, teacher: Any, dtype: str | None
) -> Rates:
    """Crops per second from photos to a shard on disk; the first shard warms up."""
    header = make_header(
        "embeddings",
        dataset,
        len(dataset) // 2,
        dim=512,
        dtype="float16",
        crops=crop_rule(teacher),
        encoded_in=dtype,
        batch_size=128,
        ground_truth=False,
        teacher=None,
    )
    work = Work(dataset, proposals, teacher, header, processors())
    with making(folder, header) as store:
        for index in store.missing:
            images = shard_images(header, index)
            crops = sum(len(proposals[i][0]) for i in images) * len(SCALES)
            clock = Clock()
            store.write(index, store.content(index, work.make(index)))
            rates = clock.rates(crops)
    return rates


def peak(dtype: str) -> Rates:
    """GFLOP/s of PyTorch's matrix product, by the clock and a busy second."""
    import torch

    size, repeats = 2048, 6
    matrix = torch.ones(size, size, dtype=getattr(torch, dtype))
    _ = matrix @ matrix
    clock = Clock()
    for _ in range(repeats):
        _ = matrix @ matrix
    wall, busy = clock.rates(repeats)
    return 2e-9 * size**3 * wall, 2e-9 * size**3 * busy


def store_rates(folder: Path, images: int = 1280) -> None:
    """Writes and reads a store of 300 boxes x 512 per image."""
    dataset = Photos(images)
    rng = np.random.default_rng(0)
    boxes, scores = boxes_of(rng, 300), rng.random(300, dtype="float32")
    rows = rng.standard_normal((300, 512), dtype="float32").astype("float16")
    facts = {"dim": 512, "dtype": "float16"}
    with making(folder, make_header("embeddings", dataset, 64, **facts)) as work:
        start = time.perf_counter()
        for index in work.missing:
            entries = {
                i: Entry(boxes, scores, rows) for i in shard_images(work.header, index)
            }
            work.write(index, work.content(index, entries))
        seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(
        f"store: {images} images, {size:.0f} MB, written at {size / seconds:.0f} MB/s"
    )
    start = time.perf_counter()
    store = open_store(folder)
    print(f"store: opened in {1e3 * (time.perf_counter() - start):.0f} ms")
    order = rng.permutation(images).tolist()
    for what in ("first", "second"):
        start = time.perf_counter()
        for image_id in order:
            # As a trainer takes them: everything read, checked and widened.
            store[image_id][2].astype("float32")
        seconds = time.perf_counter() - start
        print(
            f"store: {what} random read of all images {images / seconds:.0f} images/s, "
            f"{size / seconds:.0f} MB/s (page cache warm)"
        )


def project(crops: float, pipeline: float, options: argparse.Namespace) -> None:
    """Hours and dollars for LVIS, with the arithmetic."""
    cores = processors()
    millions = f"{LVIS_CROPS / 1e6:.1f} M"
    print(f"\nLVIS: 99,342 images x 300 boxes x 2 crops = {millions} crops")
    rate = options.gpu_tflops * options.gpu_share * 1e3 / GFLOP_PER_CROP
    feed = pipeline / cores * options.gpu_cores
    hours = LVIS_CROPS / min(rate, feed) / 3600
    print(
        f"one GPU (not measured here): {options.gpu_tflops:.0f} TFLOP/s x "
        f"{options.gpu_share:.0%} / {GFLOP_PER_CROP} GFLOP = {rate:.0f} crops/s; "
        f"{options.gpu_cores} cores make {pipeline:.0f} / {cores} x "
        f"{options.gpu_cores} = {feed:.0f} crops/s; {millions} / "
        f"{min(rate, feed):.0f} / 3600 = {hours:.1f} h x ${options.gpu_price} = "
        f"${hours * options.gpu_price:.0f}"
    )
    hours = LVIS_CROPS / (32 * crops) / 3600
    print(
        f"32 workers like this machine ({cores} cores, {crops:.0f} crops/s measured): "
        f"{millions} / (32 x {crops:.0f}) / 3600 = {hours:.1f} h x 32 x "
        f"${options.worker_price} = ${hours * 32 * options.worker_price:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=64, help="of each photo")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--naive-crops", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gpu-tflops", type=float, default=990, help="dense float16")
    parser.add_argument("--gpu-share", type=float, default=0.3, help="that is reached")
    parser.add_argument("--gpu-cores", type=int, default=16, help="beside the GPU")
    parser.add_argument("--gpu-price", type=float, default=4.0, help="$ an hour")
    parser.add_argument("--worker-price", type=float, default=0.1, help="$ an hour")
    options = parser.parse_args()
    import torch

    print(f"{os.cpu_count()} CPUs, {torch.get_num_threads()} threads of PyTorch")
    dataset = Photos(2 * options.images)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        proposals = write_proposals(folder / "boxes", dataset, options.boxes)
        model = import_open_clip().create_model("ViT-B-32", pretrained=None).eval()
        torch.save(model.state_dict(), folder / "clip.pt")
        spec = f"ViT-B-32/{folder}/clip.pt"
        dtypes = [d for d in OpenClip(spec).image_dtypes if d != "float32"]
        rates: dict[str, list[Rates]] = {}

        peaks: dict[str, Any] = {}

        def note(name: str, found: Rates) -> None:
            rates.setdefault(name, []).append(found)
            wall, busy = found
            print(f"  {name}: {wall:.1f} crops/s, {busy:.1f} a busy second", flush=True)

        for turn in range(options.repeats):  # in turns, for the machine is not ours
            many, few = options.naive_crops * 10, options.naive_crops
            clip = model.encode_image
            note("naive, free", naive(dataset, proposals, lambda _: Free.row, many))
            out = folder / f"free-{turn}"
            note("vild, free", ours(out, dataset, proposals, Free(), None))
            note("naive, float32", naive(dataset, proposals, clip, few))
            for dtype in ("float32", *dtypes):
                peaks[dtype] = np.maximum(peaks.get(dtype, 0), peak(dtype))
                teacher = OpenClip(spec).for_images(dtype, 128)
                out = folder / f"{dtype}-{turn}"
                note(f"vild, {dtype}", ours(out, dataset, proposals, teacher, dtype))
        best = {name: np.max(found, axis=0) for name, found in rates.items()}
        for name, (wall, busy) in best.items():
            base = best["naive, free" if "free" in name else "naive, float32"]
            print(
                f"{name:<16} {wall:7.1f} crops/s = {wall / base[0]:4.1f} x naive; "
                f"{busy:7.1f} a busy second = {busy / base[1]:4.1f} x naive"
            )
        for dtype, (wall, busy) in peaks.items():
            share = best[f"vild, {dtype}"] * GFLOP_PER_CROP / (wall, busy)
            print(
                f"{dtype}: a matrix product reaches {wall:.0f} GFLOP/s, {busy:.0f} a "
                f"busy second; vild {share[0]:.0%} and {share[1]:.0%} of that"
            )
        print(f"{processors()} threads make crops")
        store_rates(folder / "rates")
        fastest = best[f"vild, {[*dtypes, 'float32'][0]}"]
        project(fastest[0], best["vild, free"][0], options)


if __name__ == "__main__":
    main()
