"""Average recall: how many objects boxes cover, whatever they are."""

from collections.abc import Sequence

import numpy as np

from vild.data.dataset import Dataset
from vild.data.overlap import overlaps
from vild.data.stores.store import EmbeddingStore, ProposalStore

IOUS = np.arange(0.5, 0.96, 0.05)
COUNTS = (100, 300, 1000)


def average_recall(
    dataset: Dataset,
    store: ProposalStore | EmbeddingStore,
    counts: Sequence[int] = COUNTS,
) -> dict[str, dict[str, float | None]]:
    """How many objects of a dataset the boxes of a store cover.

    The share of objects that some box overlaps, each box taken for one object of a
    group at most, is averaged over overlaps from 0.5 to 0.95. Crowds and excluded
    categories are left out; in a store that was cut to fewer boxes than asked for,
    there is nothing more to be found.

    Args:
        dataset: the one of the store.
        store: boxes, best first.
        counts: of how many boxes per image.

    Returns:
        For "base", "novel" and "all" the recall by name, `AR@100` and so on, as
        fractions; None where there is no such object.

    Raises:
        DataError: if the store lacks an image.

    Source: COCO's average recall of proposals.
    """
    groups = {
        "base": {c.id for c in dataset.categories if c.base and not c.excluded},
        "novel": {c.id for c in dataset.categories if c.novel},
    }
    groups["all"] = groups["base"] | groups["novel"]
    found = {name: np.zeros(len(counts)) for name in groups}
    objects = dict.fromkeys(groups, 0)
    for index in range(len(dataset)):
        example = dataset[index]
        boxes = store[int(example.image_id)][0]
        for name, ids in groups.items():
            wanted = np.isin(example.category_ids, list(ids)) & ~example.crowd
            ranks = _ranks(overlaps(boxes, example.boxes[wanted]))
            objects[name] += int(wanted.sum())
            found[name] += [(ranks < count).mean(axis=0).sum() for count in counts]
    return {
        name: {
            f"AR@{count}": float(found[name][i] / objects[name])
            if objects[name]
            else None
            for i, count in enumerate(counts)
        }
        for name in groups
    }


def _ranks(table: np.ndarray) -> np.ndarray:
    """Which box finds each object, at each overlap.

    Boxes choose in their order, each the object it overlaps most of those left.

    Args:
        table: (boxes, objects) overlaps.

    Returns:
        (len(IOUS), objects) numbers of boxes; infinity where none does.
    """
    ranks = np.full((len(IOUS), table.shape[1]), np.inf)
    near = np.flatnonzero((table >= IOUS[0] - 1e-6).any(axis=1))
    for row, iou in zip(ranks, IOUS, strict=True):
        for box in near.tolist():
            free = np.where(np.isinf(row), table[box], -1.0)
            best = int(free.argmax())
            if free[best] >= iou - 1e-6:
                row[best] = box
    return ranks
