"""Datasets in COCO's and LVIS's form with made pictures, as they lie on disk."""

import json

import numpy as np
from PIL import Image

SQUARE = [[4, 2, 12, 2, 12, 10, 4, 10]]
CROWD = {"size": [20, 30], "counts": [100, 50, 450]}


def annotation(image_id, category_id, bbox=(4, 2, 8, 8), **more):
    entry = {"image_id": image_id, "category_id": category_id, "bbox": list(bbox)}
    return entry | {"area": 60.5, "segmentation": SQUARE, "iscrowd": 0} | more


def content(**changes):
    """Three images, ids with gaps, the second one without objects."""
    images = [
        {"id": number, "height": 20, "width": 30, "file_name": f"{number:04d}.png"}
        for number in (7, 9, 40)
    ]
    annotations = [
        annotation(40, 90),
        annotation(7, 3),
        annotation(7, 90, (0, 0, 30, 20), segmentation=CROWD, iscrowd=1),
    ]
    categories = [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    return whole | changes


def save(folder, whole, images="images", name="annotations.json"):
    """Writes the json and the pictures; returns the paths of both."""
    (folder / images).mkdir(parents=True, exist_ok=True)
    for entry in whole["images"]:
        pixels = np.full((entry["height"], entry["width"], 3), entry["id"], np.uint8)
        Image.fromarray(pixels).save(folder / images / entry["file_name"])
    (folder / name).write_text(json.dumps(whole))
    return folder / name, folder / images
