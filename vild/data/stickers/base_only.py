"""Scenes as another trainer may have them: nothing of what is held out is annotated."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vild.data.categories import Category
from vild.data.example import Example
from vild.data.object_masks import ObjectMasks
from vild.data.stickers.dataset import Stickers


class BaseOnly:
    """The scenes of a split without the annotations of concepts that are not base.

    The others are seen in the pictures, and are no longer called absent from any: in
    LVIS's words they may be there or not. The categories stay as they are.

    Args:
        scenes: the split.

    Attributes:
        name: of the split.
        categories: of the split.
        fingerprint: another one than the split's.
    """

    def __init__(self, scenes: Stickers) -> None:
        self._scenes = scenes
        self.name = scenes.name
        self.categories: Sequence[Category] = scenes.categories
        self.fingerprint = f"{scenes.fingerprint}:base-only"
        self._base = np.array([c.id for c in scenes.categories if c.base], np.int64)

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int, /) -> Example:
        """A scene.

        Args:
            index: 0 to length - 1.

        Returns:
            The example with its base objects only.

        Raises:
            IndexError: if there is no such image.
        """
        example = self._scenes[index]
        kept = np.isin(example.category_ids, self._base)
        masks = example.packed_masks
        if masks is not None and not isinstance(masks, ObjectMasks):
            masks = ObjectMasks.pack(masks())
        return replace(
            example,
            boxes=example.boxes[kept],
            category_ids=example.category_ids[kept],
            packed_masks=None if masks is None else masks[kept],
            areas=example.areas[kept],
            crowd=example.crowd[kept],
            negative_ids=np.intersect1d(example.negative_ids, self._base),
        )
