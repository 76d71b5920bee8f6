"""Shards made by a cluster: Ray Data hands them out, and again if a worker dies.

What a worker makes comes back as bytes and is written here, so that the machines need
not share a folder for the store; the dataset, the proposals and the teacher's weights
they must all be able to read at the same paths.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from vild import errors
from vild.data.stores.shard import shard_images
from vild.data.stores.writing import Making
from vild.embedding.work import Work
from vild.errors import DataError, VildError


def run(work: Work, making: Making, shards: Sequence[int], workers: int) -> None:
    """Makes shards and writes them.

    Args:
        work: what is to be embedded.
        making: the store.
        shards: indices of those to make; those of which images failed are tried.
        workers: how many actors, each with a teacher of its own.

    Raises:
        DataError: if Ray is not installed or gives up.
        VildError: if something is wrong with more than single images, or the store
            cannot be written.
    """
    if not shards:
        return
    total = sum(len(shard_images(work.header, index)) for index in shards)
    with tqdm(total=total, unit="image", disable=None) as bar:
        for row in _made(work, making, shards, workers):
            if row["error"]:
                kind = getattr(errors, row["error"], DataError)
                raise kind(row["message"])
            index = int(row["index"])
            if row["content"]:
                making.write(index, row["content"])
            bar.update(len(shard_images(work.header, index)))


def _made(
    work: Work, making: Making, shards: Sequence[int], workers: int
) -> Iterator[dict[str, Any]]:
    """What the workers give back, in the order in which they are done."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DataError(
            "The engine 'ray' needs Ray: pip install 'vild[ray]', or take the engine "
            "'local'."
        ) from error
    started = not ray.is_initialized()
    if started:
        # A cluster if RAY_ADDRESS names one, else this machine.
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # there is one of vild
    items = [{"index": index} for index in shards]
    rows = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _Worker,
        fn_constructor_kwargs={"work": work, "making": making},
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    try:
        yield from rows.iter_rows()
    except ray.exceptions.RayError as error:
        # The cause stands last, behind the stacks of several processes.
        causes = [line.strip() for line in str(error).splitlines() if "Error: " in line]
        raise DataError(
            f"Ray gave up ({type(error).__name__}: {(causes or [str(error)])[-1]}). "
            "What is written stays: the same command goes on."
        ) from error
    finally:
        if started:
            ray.shutdown()


class _Worker:
    """Makes shards in a process of the cluster, one after the other."""

    def __init__(self, work: Work, making: Making) -> None:
        self._work, self._making = work, making

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        index = int(batch["index"][0])
        row: dict[str, Any] = {"index": index, "error": "", "message": ""}
        try:
            row["content"] = self._make(index)
        except VildError as error:  # told by who started it, in its own words
            row |= {"error": type(error).__name__, "message": str(error)}
            row["content"] = b""
        return {name: [value] for name, value in row.items()}

    def _make(self, index: int) -> bytes:
        """The file of a shard; nothing if it need not be written."""
        failures = self._making.failed.get(index)
        if failures is not None and not self._work.heals(index, list(failures)):
            return b""
        return self._making.content(index, self._work.make(index))
