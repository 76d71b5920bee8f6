"""Shards made on this machine, by one process or several."""

import os
from collections.abc import Callable, Sequence

from vild.data.processes import in_processes
from vild.data.stores.shard import shard_images
from vild.data.stores.writing import Making
from vild.embedding.work import Work, processors


def run(work: Work, making: Making, shards: Sequence[int], workers: int) -> None:
    """Makes shards and writes them.

    Args:
        work: what is to be embedded.
        making: the store.
        shards: indices of those to make; those of which images failed are tried.
        workers: how many processes, each with a teacher of its own; 1 for this one.

    Raises:
        VildError: if something is wrong with more than single images, or the store
            cannot be written.
    """
    tried = [len(making.failed.get(i, shard_images(work.header, i))) for i in shards]
    share = max(1, processors() // min(workers, len(shards) or 1))
    in_processes(
        _make,
        (work, making, share if workers > 1 else None),
        shards,
        workers=workers,
        total=sum(tried),
    )


def _make(
    common: tuple[Work, Making, int | None], index: int, done: Callable[[], None]
) -> None:
    work, making, share = common
    if share is not None:
        # Read when a teacher's framework is first imported: here, not in the parent.
        os.environ.setdefault("OMP_NUM_THREADS", str(share))
    failures = making.failed.get(index)
    if failures is not None:
        heals = work.heals(index, list(failures))
        for _ in failures:
            done()
        if not heals:
            return
        making.write(index, making.content(index, work.make(index)))
        return
    making.write(index, making.content(index, work.make(index, done)))
