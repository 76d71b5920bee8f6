"""Stores: boxes of a dataset's images, and what a teacher makes of their crops.

A store is a folder: `header.json`, which says of what it is, and shards, each a
stretch of the dataset. `docs/distillation-stores.md` describes them byte for byte.
"""

from vild.data.stores.opening import open_store
from vild.data.stores.store import EmbeddingStore, ProposalStore, Store
from vild.data.stores.with_regions import WithRegions

__all__ = [
    "EmbeddingStore",
    "ProposalStore",
    "Store",
    "WithRegions",
    "open_store",
]
