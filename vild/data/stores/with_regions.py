"""A dataset whose examples carry what a store holds of them."""

import hashlib
import os
from dataclasses import replace

import numpy as np

from vild.data.dataset import Dataset
from vild.data.example import Example
from vild.data.stores.header import check_same_dataset
from vild.data.stores.opening import open_store
from vild.data.stores.store import EmbeddingStore, ProposalStore


class WithRegions:
    """A dataset with the boxes of a store, and their features.

    Each example has `roi_boxes` and `roi_scores`, and with a store of embeddings
    `roi_features` in float32. Images that failed have no boxes: whoever trains leaves
    their distillation loss out.

    Args:
        dataset: the one that the store was made for.
        store: a store, or its folder.

    Attributes:
        name: of the dataset.
        categories: of the dataset.
        fingerprint: changes with the dataset and with the store.
        failed: ids of the images that failed.

    Raises:
        DataError: if the store is incomplete or damaged, or was made for another
            dataset, or the dataset has changed since.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> scenes = DrawnObjects("val:3")
        >>> WithRegions(scenes, "my/proposals")[0].roi_boxes.shape  # doctest: +SKIP
        (300, 4)
    """

    def __init__(
        self,
        dataset: Dataset,
        store: ProposalStore | EmbeddingStore | str | os.PathLike[str],
    ) -> None:
        if isinstance(store, str | os.PathLike):
            store = open_store(store)
        check_same_dataset(store.header, dataset, f"The store {str(store.path)!r}")
        self.dataset, self.store = dataset, store
        self.name, self.categories = dataset.name, dataset.categories
        mark = f"{getattr(dataset, 'fingerprint', None)} {store.fingerprint}"
        self.fingerprint = hashlib.sha256(mark.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def failed(self) -> set[int]:
        """Ids of the images that failed."""
        return self.store.failed

    def __getitem__(self, index: int, /) -> Example:
        """One image with its objects and the store's boxes.

        Args:
            index: 0 to length - 1.

        Returns:
            The example.

        Raises:
            IndexError: if there is no such image.
            DataError: if the store has no such image, or its rows are damaged.
        """
        example = self.dataset[index]
        boxes, scores, *features = self.store[int(example.image_id)]
        return replace(
            example,
            roi_boxes=np.array(boxes, np.float32),
            roi_scores=np.array(scores, np.float32),
            roi_features=features[0].astype(np.float32) if features else None,
        )
