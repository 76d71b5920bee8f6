"""What rows of the study find in the same scenes, side by side.

    python benchmarks/stickers_pictures.py --out runs/study --rows text vild ensemble \
        --scenes test-seen/noto:0 test-unseen/twemoji:0 --save rows.webp

A line for each scene: what is there, and what each row finds, when it is asked for the
names of the things that are there. Names of novel concepts are in capitals.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from stickers_study import TRAINED, Study

from vild.data.stickers import Stickers
from vild.drawing import draw_detections
from vild.files import replacing

SIDE, GAP, TITLE = 336, 6, 18  # pixels
THRESHOLD = 0.2


def labelled(example, names: dict[int, str]) -> Image.Image:
    """A scene with the things that are asked for."""
    asked = [k for k, c in enumerate(example.category_ids.tolist()) if c in names]
    ids = example.category_ids[asked]
    labels = [names[int(number)] for number in ids]
    return draw_detections(
        example.image, example.boxes[asked], labels, example.masks[asked], ids
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="of the study")
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--scenes", nargs="+", required=True, metavar="SPLIT:NUMBER")
    parser.add_argument("--save", type=Path, required=True)
    options = parser.parse_args()
    study = Study(options.out, 1, options.out, None, [])  # nothing is trained
    for row in options.rows:
        if row in TRAINED and not (options.out / row / "detector").exists():
            parser.error(f"the row {row} is not trained in {options.out}")
    detectors = [study.detector(row) for row in options.rows]
    lines = []
    for scene in options.scenes:
        split, _, number = scene.rpartition(":")
        scenes = Stickers(split, size=(SIDE, SIDE))
        example = scenes[int(number)]
        there = set(example.category_ids.tolist())
        names = {
            c.id: c.name if c.base else c.name.upper()
            for c in scenes.categories
            if c.id in there and not c.excluded
        }
        line = [labelled(example, names)]
        for detector in detectors:
            found = detector.detect(
                example.image, list(names.values()), score_threshold=THRESHOLD
            )
            # The colours of the first picture.
            ids = np.array(list(names))[found.class_ids]
            labels = [
                f"{name} {score:.2f}"
                for name, score in zip(found.class_names, found.scores, strict=True)
            ]
            line.append(
                draw_detections(example.image, found.boxes, labels, found.masks, ids)
            )
        lines.append(line)
    titles = ["what is there", *options.rows]
    step = SIDE + GAP
    sheet = Image.new("RGB", (step * len(titles), TITLE + step * len(lines)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        pen.text((column * step + 4, 3), title, "black")
        for row, line in enumerate(lines):
            sheet.paste(line[column], (column * step, TITLE + row * step))
    with replacing(options.save) as new:
        sheet.save(new, options.save.suffix[1:], quality=80, method=6)


if __name__ == "__main__":
    main()
