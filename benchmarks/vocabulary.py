"""Time and memory of `regions.detect` from 1000 to 1,000,000 classes.

    python benchmarks/vocabulary.py --backends tensorflow jax torch [--plot FILE.svg]

1000 regions of 512 numbers, two branches, 300 detections; random vectors. Every size
runs in a process of its own, so that none finds memory that another left behind.
Needs Linux, which tells a process its peak of memory.
"""

import argparse
import ctypes
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import matmul_peak

REGIONS, DIM = 1000, 512
SIZES = [10**3, 10**4, 10**5, 10**6]


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random float32 unit rows, in place: a million of them are 2 GB."""
    rows = rng.standard_normal(shape, dtype="float32")
    for start in range(0, len(rows), 10_000):
        part = rows[start : start + 10_000]
        part /= np.linalg.norm(part, axis=-1, keepdims=True)
    return rows


def memory(kind: str) -> float:
    """Memory of this process in MB: `VmRSS` now, `VmHWM` at its peak."""
    status = Path("/proc/self/status").read_text()
    return float(status.split(f"{kind}:")[1].split()[0]) / 1024


def measure(classes: int) -> dict[str, float]:
    """One size, in this process."""
    import vild
    from vild.regions import Regions

    rng = np.random.default_rng(0)
    corner, size = rng.uniform(0, 520, (REGIONS, 2)), rng.uniform(20, 120, (REGIONS, 2))
    boxes = np.concatenate([corner, corner + size], 1).astype("float32")
    regions = Regions(
        boxes=boxes[:, [1, 0, 3, 2]],
        objectness=np.ones(REGIONS, "float32"),
        text_embeddings=unit(rng, REGIONS, DIM),
        image_embeddings=unit(rng, REGIONS, DIM),
        model_boxes=boxes,
        background=unit(rng, 1, DIM)[0],
        image_size=(640, 640),
    )
    words = vild.Vocabulary(
        [f"class {i}" for i in range(classes)], unit(rng, classes, DIM), base=True
    )
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory("VmRSS")
    # Compiled off the clock. All large vocabularies run the same programs.
    few = min(classes, 20_000)
    regions.detect(vild.Vocabulary(words.names[:few], words.embeddings[:few], True))
    times = []
    for _ in range({3: 10, 4: 5, 5: 3}.get(round(math.log10(classes)), 2)):
        start = time.perf_counter()
        regions.detect(words)
        times.append(time.perf_counter() - start)
    extra = memory("VmHWM") - before
    peak = max(matmul_peak(), matmul_peak())
    return {"classes": classes, "seconds": min(times), "extra": extra, "peak": peak}


def table(backend: str, sizes: list[int]) -> list[dict[str, float]]:
    """Measures and prints all sizes on one backend."""
    print(f"\n## vocabulary sizes: {backend}, {os.cpu_count()} CPUs\n")
    print("| classes | s | ns a pair | growth | extra MB | x products alone |")
    print("|---|---|---|---|---|---|")
    rows: list[dict[str, float]] = []
    for size in sizes:
        command = [sys.executable, __file__, "--one", str(size)]
        environment = {**os.environ, "KERAS_BACKEND": backend}
        output = subprocess.check_output(command, env=environment, text=True)
        row = json.loads(output.splitlines()[-1])
        # Both branches once. In chunks they are computed twice.
        row["limit"] = 4 * REGIONS * DIM * size / row["peak"] / 1e9
        rows.append(row)
        pairs = 1e9 * row["seconds"] / size / REGIONS
        print(
            f"| {size:,} | {row['seconds']:.3g} | {pairs:.1f} | {growth(rows[-2:])} | "
            f"{row['extra']:.0f} | {row['seconds'] / row['limit']:.1f} |",
            flush=True,
        )
    print(f"\nFrom the first to the last: classes ** {growth(rows)}")
    return rows


def growth(rows: list[dict[str, float]]) -> str:
    """The power of the number of classes that the seconds grow with."""
    if len(rows) < 2:
        return ""
    logs = np.log([[row["classes"], row["seconds"]] for row in rows])
    return f"{np.polyfit(*logs.T, 1)[0]:.2f}"


def plot(tables: dict[str, list[dict[str, float]]], path: str) -> None:
    """Seconds over classes, with the time of the matrix products alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for backend, rows in tables.items():
        classes = [row["classes"] for row in rows]
        seconds = [row["seconds"] for row in rows]
        (line,) = axes.loglog(classes, seconds, "o-", label=backend)
        limit = [row["limit"] for row in rows]
        axes.loglog(classes, limit, ":", color=line.get_color())
    axes.set(xlabel="classes", ylabel="seconds")
    axes.set_title(
        f"regions.detect, {REGIONS} regions, two branches\n"
        "(dotted: the matrix products of one pass alone)"
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    chosen = os.environ.get("KERAS_BACKEND", "tensorflow")
    parser.add_argument("--backends", nargs="+", default=[chosen])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--plot", metavar="FILE", help="write a picture too")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    tables = {name: table(name, options.sizes) for name in options.backends}
    if options.plot:
        plot(tables, options.plot)


if __name__ == "__main__":
    main()
