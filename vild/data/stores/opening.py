"""Opening a store."""

import os
from pathlib import Path

from vild.data.stores.header import read_header
from vild.data.stores.store import EmbeddingStore, ProposalStore


def open_store(
    path: str | os.PathLike[str], *, partial: bool = False
) -> ProposalStore | EmbeddingStore:
    """Opens a store for reading.

    Args:
        path: its folder.
        partial: whether shards may be missing, as while it is made.

    Returns:
        A `ProposalStore` or an `EmbeddingStore`, as its header says.

    Raises:
        DataError: if it is missing, incomplete, damaged or no store.

    Example:
        >>> open_store("nothing")
        Traceback (most recent call last):
        vild.errors.DataError: 'nothing' is no store: expected a folder that holds ...
    """
    folder = Path(path)
    header, key = read_header(folder)
    kind = ProposalStore if header["kind"] == "proposals" else EmbeddingStore
    return kind(folder.absolute(), header, key, partial)
