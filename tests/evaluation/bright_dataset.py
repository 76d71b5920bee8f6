"""Photos with bright squares, for the detector of tests/handmade.py.

They are of the size of its smallest anchors and brightest in their middle, so that it
finds them well.
"""

import numpy as np

from vild.data.dataset import Category, Example
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture


class BrightThings:
    name = "bright"
    categories = (Category(3, "bright thing"),)
    fingerprint = "bright-1"

    def __init__(self, count=6):
        self._count = count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if not 0 <= index < self._count:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        image = np.zeros((128, 160, 3), np.uint8)
        x, y = 4 * rng.integers(4, 23, 2)
        image[y : y + 36, x : x + 36] = 190
        image[y + 16 : y + 20, x + 16 : x + 20] = 255
        mask = image[None, :, :, 0] > 0
        return Example(
            image_id=10 * index + 4,
            picture=Picture(image),
            size=image.shape[:2],
            boxes=np.array([[x, y, x + 36, y + 36]], np.float32),
            category_ids=np.array([3]),
            packed_masks=ObjectMasks.pack(mask),
        )
