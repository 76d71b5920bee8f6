"""A dataset for vild: pictures of coloured blocks on grey, drawn as they are read."""

import numpy as np
from vild_teacher_example import RGB

from vild.data.dataset import Category, Example
from vild.data.pictures import Picture

HEIGHT, WIDTH = 120, 160


class Blocks:
    """Pictures with one to three blocks; the last two colours are novel."""

    def __init__(self, length: str = "100") -> None:
        self.name = f"blocks:{length}"
        self.fingerprint = f"blocks-1:{length}"
        self._length = int(length)
        names = [name for name in RGB if name != "grey"]
        self.categories = [
            Category(row + 1, f"{name} block", base=row < len(names) - 2)
            for row, name in enumerate(names)
        ]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /) -> Example:
        """Draws a picture; the same every time, from any process."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        boxes, ids = [], []
        for column in range(rng.integers(1, 4)):
            category = self.categories[rng.integers(len(self.categories))]
            left, top = 52 * column + rng.integers(4, 16), rng.integers(4, 60)
            right, bottom = left + rng.integers(16, 36), top + rng.integers(16, 56)
            image[top:bottom, left:right] = RGB[category.name.removesuffix(" block")]
            boxes.append((left, top, right, bottom))
            ids.append(category.id)
        masks = np.zeros((len(boxes), HEIGHT, WIDTH), bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
            mask[top:bottom, left:right] = True
        return Example(
            image_id=index,
            picture=Picture(image, f"{self.name} {index}"),
            size=(HEIGHT, WIDTH),
            boxes=np.array(boxes, np.float32),
            category_ids=np.array(ids, np.int64),
            packed_masks=lambda: masks,
        )
