"""Parts of one store, made on several machines, put together."""

import os
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from vild.data.stores.header import differences, read_header
from vild.data.stores.opening import open_store
from vild.data.stores.shard import Shard, shard_name
from vild.data.stores.store import EmbeddingStore, ProposalStore
from vild.data.stores.writing import making
from vild.errors import DataError, InputError


def merge_stores(
    parts: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]
) -> ProposalStore | EmbeddingStore:
    """Puts parts of one store together.

    Parts are stores of one header of which each has some of the shards, as `embed`
    makes them with `part`. Where several have a shard, the one with fewest failures is
    taken. Every row is read and its checksum compared.

    Args:
        parts: folders of stores.
        out: folder of the new store; or of one to be completed, which may be one of
            the parts.

    Returns:
        The store, opened, as far as it goes: see `missing_shards`.

    Raises:
        DataError: if their headers differ, or one is damaged or no store.
        InputError: if there are no parts, or the place cannot be written.

    Example:
        >>> merge_stores(["part-0", "part-1"], "store")  # doctest: +SKIP
        EmbeddingStore(99342 images of lvis_v1_train)
    """
    if not parts:
        raise InputError("There is nothing to merge: name at least one store.")
    folders = [Path(part) for part in parts]
    header, key = read_header(folders[0])
    for folder in folders[1:]:
        other, its_key = read_header(folder)
        if its_key != key:
            odd = "; ".join(differences(header, other)) or "they are written otherwise"
            raise DataError(
                f"{str(folders[0])!r} and {str(folder)!r} are no parts of one store "
                f"({odd}): stores of several datasets stay apart, each with its own."
            )
    with making(out, header) as store:
        for index in tqdm(range(header["shards"]), unit="shard", disable=None):
            name = shard_name(index, header["shards"])
            found = [
                Shard(folder, header, key, index)
                for folder in folders
                if (folder / name).exists()
            ]
            if not found:
                continue
            best = min(found, key=lambda shard: len(shard.failures))
            for row in range(len(best)):
                _ = best[row]  # compares the checksum
            there = store.failed.get(index, {})
            if index in store.missing or len(best.failures) < len(there):
                store.write(index, best.path.read_bytes())
    return open_store(out, partial=True)
