"""LVIS metrics beside the official package: time and memory, from files to numbers.

    python benchmarks/evaluation.py                     2000 images, boxes
    python benchmarks/evaluation.py --masks --images 500
    python benchmarks/evaluation.py --growth growth.svg 500 to 5000 images, ours alone

300 results an image, 1203 categories. Both read the same files in processes of their
own; the metrics must be equal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import CLASSES, peak_memory

HEIGHT, WIDTH, RESULTS = 480, 640, 300
_BASES, _NEAR = 400, 8


def shapes(masks: bool) -> list[list[dict]]:
    """Ellipses, each with some that are near it."""
    from vild.data.rle import encode_rle

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    found = []
    for _ in range(_BASES):
        size = np.exp(rng.uniform(np.log(10), np.log(300), 2))
        corner = rng.uniform(0, [WIDTH - size[0], HEIGHT - size[1]])
        family = []
        for near in range(_NEAR):
            spread = 0.07 * near * np.tile(size, 2) / 2
            box = np.r_[corner, size] + rng.normal(0, 1, 4) * spread
            box[2:] = np.maximum(box[2:], 2)
            x, y, width, height = np.round(box, 2).tolist()
            shape = {"bbox": [x, y, width, height]}
            if masks:
                across = (columns - x - width / 2) / (width / 2)
                inside = across**2 + ((rows - y - height / 2) / (height / 2)) ** 2 <= 1
                shape["segmentation"] = encode_rle(inside)
                points = np.stack([np.cos(angles), np.sin(angles)], 1) + 1
                points = [x, y] + points * [width / 2, height / 2]
                shape["polygon"] = [points.round(2).ravel().tolist()]
            family.append(shape)
        found.append(family)
    return found


def write(folder: Path, images: int, masks: bool) -> None:
    """Ground truth and results, as their authors would write them."""
    rng = np.random.default_rng(1)
    families = shapes(masks)
    categories = [
        {"id": i, "name": f"thing {i}", "synonyms": [], "frequency": "rcf"[i % 3]}
        for i in range(1, CLASSES + 1)
    ]
    entries, annotations, number = [], [], 0
    with (folder / "results.json").open("w") as file:
        before = "["
        for image in range(1, images + 1):
            told = rng.choice(CLASSES, 16, replace=False) + 1
            shown, absent = told[:6], told[6:]
            partly = shown[rng.random(6) < 0.1]
            entries.append(
                {
                    "id": image,
                    "height": HEIGHT,
                    "width": WIDTH,
                    "coco_url": f"val2017/{image}.jpg",
                    "neg_category_ids": absent.tolist(),
                    "not_exhaustive_category_ids": partly.tolist(),
                }
            )
            objects = [
                (int(rng.choice(shown)), int(rng.integers(_BASES))) for _ in range(12)
            ]
            for category, base in objects:
                number += 1
                shape = families[base][0]
                x, y, width, height = shape["bbox"]
                annotations.append(
                    {
                        "id": number,
                        "image_id": image,
                        "category_id": category,
                        "bbox": [x, y, width, height],
                        "area": 0.785 * width * height,
                        "segmentation": shape.get("polygon", [[x, y, x, y, x, y]]),
                    }
                )
            lucky = rng.random(RESULTS)
            scores = rng.random(RESULTS).round(6)
            for luck, score in zip(lucky.tolist(), scores.tolist(), strict=True):
                if luck < 0.25:
                    category, base = objects[rng.integers(12)]
                    shape = families[base][rng.integers(1, _NEAR)]
                    score = (1 + score) / 2
                else:
                    known = luck < 0.6
                    category = int(
                        rng.choice(told) if known else rng.integers(CLASSES) + 1
                    )
                    shape = families[rng.integers(_BASES)][rng.integers(_NEAR)]
                result = {"image_id": image, "category_id": category, "score": score}
                result |= {k: v for k, v in shape.items() if k != "polygon"}
                file.write(before + json.dumps(result))
                before = ",\n"
        file.write("]")
    whole = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / "truth.json").write_text(json.dumps(whole))


def ours(kind: str) -> Callable[[Path], dict[str, float]]:
    from vild.evaluation import evaluate_files

    def run(folder: Path) -> dict[str, float]:
        files = folder / "truth.json", folder / "results.json"
        return evaluate_files(*files, "lvis", masks=kind == "segm").metrics[kind]

    return run


def official(kind: str) -> Callable[[Path], dict[str, float]]:
    # lvis 0.5.3 uses np.float, which NumPy has dropped.
    setattr(np, "float", float)  # noqa: B010
    from lvis import LVISEval

    def run(folder: Path) -> dict[str, float]:
        files = [str(folder / name) for name in ("truth.json", "results.json")]
        judge = LVISEval(*files, kind)
        judge.run()
        return judge.get_results()

    return run


def faster(kind: str) -> Callable[[Path], dict[str, float]]:
    from faster_coco_eval import COCO, COCOeval_faster

    def run(folder: Path) -> dict[str, float]:
        truth = COCO(str(folder / "truth.json"))
        found = truth.loadRes(str(folder / "results.json"))
        judge = COCOeval_faster(truth, found, kind, lvis_style=True, print_function=str)
        judge.params.maxDets = [300]
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        return {"AP": float(judge.stats_as_dict["AP_all"])}

    return run


# Each imports what it needs before the clock starts.
RUNS = {"ours": ours, "official": official, "faster-coco-eval": faster}


def apart(name: str, folder: Path, kind: str) -> dict:
    """Runs one in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--apart", name, kind]
    text = subprocess.check_output(
        [*command, str(folder)], text=True, stderr=subprocess.DEVNULL
    )
    return json.loads(text.splitlines()[-1])


def compare(images: int, kind: str) -> None:
    print(f"## LVIS metrics, {kind}: {images} images x {RESULTS} results")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), images, kind == "segm")
        found = {}
        for name in RUNS:
            try:
                found[name] = apart(name, Path(folder), kind)
            except subprocess.CalledProcessError:
                print(f"({name} is not installed, or failed)")
                continue
            told = found[name]
            print(
                f"{name:<17} {told['seconds']:7.2f} s, {told['busy']:7.2f} s of CPU, "
                f"{told['peak']:5.2f} GB"
            )
    mine, theirs = found["ours"], found["official"]
    names = theirs["metrics"]
    apart_by = max(abs(names[n] - mine["metrics"][n]) for n in names)
    print(f"largest difference of {len(names)} metrics {apart_by:.1e}")
    print(f"faster            {theirs['seconds'] / mine['seconds']:7.1f}x (goal 10x)")
    print(f"in CPU time       {theirs['busy'] / mine['busy']:7.1f}x")
    print(f"of its memory     {mine['peak'] / theirs['peak']:7.2f} (goal 0.5)")


def growth(path: Path, kind: str) -> None:
    print(f"## Growth, {kind}")
    points = []
    for images in (500, 1000, 2000, 3500, 5000):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), images, kind == "segm")
            runs = [apart("ours", Path(folder), kind) for _ in range(3)]
        # CPU time: other work on the machine does not count.
        best = min(run["busy"] for run in runs)
        points.append((images, best, runs[0]["peak"]))
        per = 1e3 * best / images
        print(f"{images:5d} images {best:6.2f} s of CPU {per:5.2f} ms an image "
              f"{runs[0]['peak']:5.2f} GB")  # fmt: skip
    path.write_text(plot(points), encoding="utf-8")
    print(f"plotted in {path}")


def plot(points: list[tuple[int, float, float]]) -> str:
    """CPU seconds over images, beside a straight line through the first point."""
    width, height, left, bottom = 460, 260, 46, 34
    most = points[-1][0]
    straight = points[0][1] * most / points[0][0]
    top = 1.1 * max(straight, *(p[1] for p in points))

    def place(images: float, seconds: float) -> str:
        x = left + (width - left - 12) * images / most
        return f"{x:.1f},{height - bottom - (height - bottom - 12) * seconds / top:.1f}"

    line = " ".join(place(i, s) for i, s, _ in points)
    dots = "".join(
        '<circle cx="{}" cy="{}" r="3.5" fill="#2563c9"/>'.format(
            *place(i, s).split(",")
        )
        for i, s, _ in points
    )
    marks = "".join(
        '<text x="{}" y="{}" text-anchor="middle">{}</text>'.format(
            place(i, 0).split(",")[0], height - 14, i
        )
        for i, _, _ in points
    )
    marks += "".join(
        '<text x="{}" y="{}" text-anchor="end">{:.1f} s</text>'.format(
            left - 5, float(place(0, top * step / 4).split(",")[1]) + 4, top * step / 4
        )
        for step in range(5)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}"><style>text{{font:11px sans-serif;fill:#5c6670}}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<polyline points="{place(0, 0)} {place(most, straight)}" fill="none" '
        'stroke="#9aa5b1" stroke-dasharray="5 4"/>'
        f'<polyline points="{line}" fill="none" stroke="#2563c9" stroke-width="2"/>'
        f"{dots}{marks}</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--masks", action="store_true")
    parser.add_argument("--growth", type=Path, metavar="SVG")
    parser.add_argument("--apart", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.apart:
        name, kind, folder = arguments.apart
        run = RUNS[name](kind)
        start, busy = time.perf_counter(), time.process_time()
        metrics = run(Path(folder))
        seconds = time.perf_counter() - start
        busy = time.process_time() - busy
        told = {name: float(value) for name, value in metrics.items()}
        facts = {"seconds": seconds, "busy": busy, "peak": peak_memory()}
        print(json.dumps(facts | {"metrics": told}))
        return
    kind = "segm" if arguments.masks else "bbox"
    if arguments.growth:
        growth(arguments.growth, kind)
    else:
        compare(arguments.images, kind)


if __name__ == "__main__":
    main()
