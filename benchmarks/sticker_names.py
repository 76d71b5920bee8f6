"""How well a detector of stickers names things whose boxes it is told.

    python benchmarks/sticker_names.py --model runs/stickers/vild/detector

Each branch by itself, among all names that the split asks for, without a threshold and
without background: what is left of a detector's errors when it need not find anything.
"""

import argparse
from collections import Counter

import numpy as np
from PIL import Image

import vild
from vild.backends import keras
from vild.data.preprocessing import MEAN, STD
from vild.data.stickers import Stickers

ops = keras.ops
ROOM = 16  # boxes of a scene, so that each is computed alike


def embedded(model, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
    """What each branch makes of boxes, (N, 4) y1 x1 y2 x2 in pixels."""
    pixels = (image / 255.0 - np.asarray(MEAN)) / np.asarray(STD)
    features = model.features(ops.convert_to_tensor(pixels[None].astype("float32")))
    padded = np.resize(boxes, (1, ROOM, 4)).astype("float32")
    crops = model.crop_regions(features, ops.convert_to_tensor(padded))
    found = model.region(crops, training=False)
    return {
        name.removesuffix("_embeddings"): ops.convert_to_numpy(value)[0, : len(boxes)]
        for name, value in found.items()
        if name.endswith("_embeddings")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", default="val:300")
    parser.add_argument("--image-size", type=int, default=288)
    options = parser.parse_args()
    detector = vild.load_pretrained(options.model)
    scenes = Stickers(options.split)
    asked = [c for c in scenes.categories if not c.excluded]
    row_of = {c.id: row for row, c in enumerate(asked)}
    base = np.array([c.base for c in asked])
    names = [[c.name, *(s for s in c.synonyms if s != c.name)] for c in asked]
    words = detector.vocabulary(names)
    rows: dict[str, list[np.ndarray]] = {}
    labels = []
    size = options.image_size
    for number in range(len(scenes)):
        example = scenes[number]
        there = [k for k, c in enumerate(example.category_ids) if int(c) in row_of]
        if not there:
            continue
        photo = Image.fromarray(example.image)
        scale = size / np.array([photo.height, photo.width] * 2)
        boxes = example.boxes[there][:, [1, 0, 3, 2]] * scale
        image = np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR))
        for branch, found in embedded(detector.model, image, boxes).items():
            rows.setdefault(branch, []).append(found)
        labels += [row_of[int(example.category_ids[k])] for k in there]
    right = np.array(labels)
    for branch, found in rows.items():
        cosines = np.concatenate(found) @ words.embeddings.T
        better = (cosines > cosines[np.arange(len(right)), right, None]).sum(axis=1)
        first = cosines.argmax(axis=1)
        for part, chosen in (("base", base[right]), ("held out", ~base[right])):
            shares = [100 * np.mean(better[chosen] < many) for many in (1, 5)]
            print(
                f"{branch} branch, {part}: {chosen.sum()} things, right name first "
                f"{shares[0]:.1f} %, among five {shares[1]:.1f} %"
            )
        often = Counter(asked[row].name for row in first.tolist())
        shown = ", ".join(f"{name} {count}" for name, count in often.most_common(4))
        print(
            f"  held-out names win {100 * np.mean(~base[first]):.1f} % of all things; "
            f"most often: {shown}"
        )


if __name__ == "__main__":
    main()
