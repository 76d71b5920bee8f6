"""How often a word finds what is not there, and what a threshold against it costs.

    KERAS_BACKEND=tensorflow python benchmarks/absent.py --model DETECTOR --split val

Each scene is asked, one word at a time, for a concept that it does not show and for
every one that it shows. The threshold is the one that 95 % of the absent ones stay
below; `--threshold` measures another. Chosen on `val`, reported on the test splits.
"""

import argparse

import numpy as np

import vild
from vild.data.overlap import overlaps
from vild.data.stickers import Stickers, concepts

ENOUGH = 0.5  # overlap of a thing that is found
BATCH = 8


def best_score(regions, name: str, rivals: bool, boxes: np.ndarray | None) -> float:
    """The best score that a word has; with boxes, of what lies on one of them."""
    found = regions.detect([name], score_threshold=0.0, rivals=rivals)
    if not len(found):
        return 0.0
    if boxes is None:
        return float(found.scores[0])
    good = overlaps(found.boxes, boxes).max(axis=1) >= ENOUGH
    return float(found.scores[good].max()) if good.any() else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    detector = vild.load_pretrained(options.model)
    scenes = Stickers(f"{options.split}:{options.scenes}")
    asked = [c for c in scenes.categories if not c.excluded]
    names = {c.id: c.name for c in asked}
    novel = {c.id for c in asked if not c.base}
    everything = {row + 1: c.name for row, c in enumerate(concepts())}
    rng = np.random.default_rng(options.seed)
    for rivals in (False, True):
        absent: list[float] = []
        present: dict[str, list[float]] = {"base": [], "novel": []}
        for start in range(0, options.scenes, BATCH):
            some = [scenes[k] for k in range(start, min(start + BATCH, len(scenes)))]
            looked = detector.encode([e.image for e in some], masks=False)
            for example, regions in zip(some, looked, strict=True):
                there = set(example.category_ids.tolist())
                others = sorted(set(everything) - there)
                name = everything[others[rng.integers(len(others))]]
                absent.append(best_score(regions, name, rivals, None))
                for one in sorted(there & set(names)):
                    boxes = example.boxes[example.category_ids == one]
                    score = best_score(regions, names[one], rivals, boxes)
                    present["novel" if one in novel else "base"].append(score)
        threshold = options.threshold
        if threshold is None:
            threshold = float(np.quantile(absent, 0.95))
        below = 100 * np.mean(np.array(absent) <= threshold)
        print(
            f"rivals {rivals}: {len(absent)} absent, {below:.1f} % <= {threshold:.3f}"
        )
        for part, scores in present.items():
            found = 100 * np.mean(np.array(scores) > threshold)
            ever = 100 * np.mean(np.array(scores) > 0)
            print(f"  {part}: {len(scores)}, {found:.1f} % above, {ever:.1f} % at all")


if __name__ == "__main__":
    main()
