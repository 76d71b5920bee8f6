"""A dataset in VOC's form, as it lies on disk."""

import numpy as np
from PIL import Image

OBJECT = (
    "<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>{x1}</xmin>"
    "<ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
)


def write_voc(folder, truth, names):
    """Writes a ground truth in COCO's form, with whole pixels, in that of VOC."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    stems = []
    for image in truth["images"]:
        stem = f"{image['id']:06d}"
        stems.append(stem)
        objects = ""
        for entry in truth["annotations"]:
            if entry["image_id"] == image["id"]:
                x, y, width, height = (int(side) for side in entry["bbox"])
                objects += OBJECT.format(
                    name=names[entry["category_id"]],
                    hard=entry.get("difficult", 0),
                    x1=x + 1,
                    y1=y + 1,
                    x2=x + width,
                    y2=y + height,
                )
        size = f"<width>{image['width']}</width><height>{image['height']}</height>"
        text = (
            f"<annotation><filename>{stem}.jpg</filename><size>{size}</size>{objects}"
        )
        (folder / "Annotations" / f"{stem}.xml").write_text(f"{text}</annotation>")
        pixels = np.zeros((image["height"], image["width"], 3), np.uint8)
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{stem}.jpg")
    (folder / "ImageSets" / "Main" / "test.txt").write_text("\n".join(stems) + "\n")
    return folder
