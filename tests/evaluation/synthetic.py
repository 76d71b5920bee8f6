"""Ground truth and results that were never a photo, with all that is awkward in them.

Ties of scores and of overlaps, images without objects or without results, more than
300 results in an image, objects of no area, classes that nobody annotated, crowds.
"""

import json

import numpy as np

from vild.data.rle import encode_rle

HEIGHT, WIDTH = 120, 160


def ellipse(box):
    """(H, W) bool: the ellipse in a box x y width height."""
    x, y, width, height = box
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    across = (columns - x - width / 2) / max(width / 2, 0.1)
    down = (rows - y - height / 2) / max(height / 2, 0.1)
    return across**2 + down**2 <= 1


def polygon(box):
    x, y, width, height = box
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = [
        x + width / 2 * (1 + np.cos(angles)),
        y + height / 2 * (1 + np.sin(angles)),
    ]
    return [np.round(np.stack(points, 1), 2).ravel().tolist()]


def random_box(rng):
    width, height = np.exp(rng.uniform(np.log(6), np.log([150, 115])))
    x, y = rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height)
    return [round(float(side), 2) for side in (x, y, width, height)]


def make(images=60, categories=1203, results=60, seed=0, *, federated=True, masks=True):
    """Returns a ground truth and results, ready for json.dump."""
    rng = np.random.default_rng(seed)
    truth = {"images": [], "annotations": [], "categories": []}
    found = []
    for number in range(1, categories + 1):
        entry = {"id": 2 * number - 1, "name": f"thing {number}"}
        if federated:
            entry |= {"frequency": "rcf"[number % 3], "synonyms": [entry["name"]]}
        truth["categories"].append(entry)
    ids = np.array([entry["id"] for entry in truth["categories"]])
    for number in rng.permutation(images).tolist():
        image = {"id": 3 * number + 5, "height": HEIGHT, "width": WIDTH}
        image["file_name"] = f"{number}.jpg"
        shown = rng.choice(ids, 5, replace=False)
        absent = np.setdiff1d(rng.choice(ids, 6), shown)
        if federated:
            image["neg_category_ids"] = absent.tolist()
            partly = [int(i) for i in [*shown[:1], *absent[:1]] if rng.random() < 0.5]
            image["not_exhaustive_category_ids"] = partly
        truth["images"].append(image)
        objects = []
        for category in shown.tolist() if number % 7 else []:
            for _ in range(rng.integers(1, 4)):
                objects.append((category, random_box(rng)))
            if rng.random() < 0.2:  # one object annotated twice: overlaps tie
                objects.append(objects[-1])
        crowded = rng.random(len(objects)) < (0 if federated else 0.12)
        for (category, box), crowd in zip(objects, crowded.tolist(), strict=True):
            truth["annotations"].append(
                _annotation(truth, image, category, box, crowd, federated, rng)
            )
        count = 0 if number % 11 == 3 else 320 if number % 29 == 8 else results
        for _ in range(count):
            category, box = int(rng.choice([*shown, *absent])), random_box(rng)
            if objects and rng.random() < 0.6:
                category, near = objects[rng.integers(len(objects))]
                box = [round(float(side + rng.normal(0, 3)), 2) for side in near]
                box = near if rng.random() < 0.2 else [*box[:2], *np.abs(box[2:])]
            elif rng.random() < 0.2:
                category = int(rng.choice(ids))
            result = {"image_id": image["id"], "category_id": category}
            result["bbox"] = [float(side) for side in box]
            result["score"] = float(np.round(rng.random(), rng.integers(1, 6)))
            if masks:
                result["segmentation"] = encode_rle(ellipse(box))
            found.append(result)
    rng.shuffle(found)
    return truth, found


def _annotation(truth, image, category, box, crowd, federated, rng):
    area = float(box[2] * box[3] * rng.choice([0.7, 0.785, 1]))
    if federated and rng.random() < 0.02:
        area = 0.0
    entry = {
        "id": len(truth["annotations"]) + 1,
        "image_id": image["id"],
        "category_id": category,
        "bbox": box,
        "area": area,
        "segmentation": polygon(box),
    }
    if not federated:
        entry["iscrowd"] = int(crowd)
        if crowd or rng.random() < 0.2:  # run lengths, plain as COCO's crowds are
            flat = ellipse(box).T.ravel()
            edges = np.flatnonzero(np.diff(np.r_[False, flat]))
            counts = np.diff(np.r_[0, edges, flat.size]).tolist()
            entry["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": counts}
    return entry


def save(folder, truth, found):
    """Writes both; returns their paths."""
    paths = folder / "truth.json", folder / "results.json"
    for path, content in zip(paths, (truth, found), strict=True):
        path.write_text(json.dumps(content))
    return paths
