"""A dataset, boxes and a teacher -> a store of embeddings."""

import os
import warnings
from collections.abc import Sequence
from typing import Literal, cast

import numpy as np

from vild.data import finding
from vild.data.crops import crop_rule
from vild.data.dataset import Dataset, check_dataset
from vild.data.processes import check_workers
from vild.data.stores import EmbeddingStore, ProposalStore, open_store
from vild.data.stores.failures import warn_of_failures
from vild.data.stores.header import FEATURES, check_same_dataset, make_header
from vild.data.stores.writing import Making, making
from vild.embedding import local
from vild.embedding.work import Work, choose_dtype, processors
from vild.errors import DataError, InputError
from vild.teachers import Teacher, fingerprint, get

IMAGES_PER_SHARD = 64
"""What a kill costs at most: with 300 boxes each some 20 MB of a file."""
BATCH_SIZE = 128
ENGINES = ("local", "ray")

Engine = Literal["local", "ray"]


def embed(
    dataset: str | Dataset,
    proposals: str | os.PathLike[str] | ProposalStore,
    teacher: str | Teacher,
    out: str | os.PathLike[str],
    *,
    engine: Engine = "local",
    workers: int = 1,
    threads: int | None = None,
    batch_size: int = BATCH_SIZE,
    ground_truth: bool = False,
    dtype: str = "float16",
    encode_dtype: str | None = None,
    images_per_shard: int = IMAGES_PER_SHARD,
    part: tuple[int, int] = (0, 1),
) -> EmbeddingStore:
    """Embeds the crops of a dataset's boxes by a teacher, once and for all.

    Of each box crops of 1 and 1.5 times its size are encoded, and the two vectors
    summed and scaled to unit length. The work is cut into shards. If it is cut off,
    the same call goes on with the shards that are not there yet, and the store is the
    same to the byte, whatever the engine and the number of workers. An image that
    cannot be read, or whose crops the teacher cannot encode, is recorded as failed;
    the same call tries it again.

    Args:
        dataset: a dataset or its specification, see `vild.data.finding.get`.
        proposals: a store of boxes for this dataset, or its folder.
        teacher: a teacher or its specification, see `vild.teachers.get`. Several
            workers need one that can be pickled, or a specification.
        out: folder of the store.
        engine: `"local"`, processes on this machine; or `"ray"`, a cluster (the one
            that Ray is connected to, or else one on this machine).
        workers: how many processes, each with a teacher of its own.
        threads: that make crops in each process; None: the processors, shared out.
        batch_size: crops that are encoded together.
        ground_truth: put the dataset's own boxes first, of base categories only.
        dtype: of the stored features, `"float16"` or `"float32"`.
        encode_dtype: what the teacher encodes in, where it leaves a choice; None for
            what is fastest on this device, half precision where that is.
        images_per_shard: how many images share a file.
        part: (i, n) makes every n-th shard from i on, for machines without an engine
            in common; `merge_stores` puts the parts together.

    Returns:
        The store, opened; with `part`, as far as it goes.

    Raises:
        DataError: if the proposals are of another dataset, or there is another store
            at that place.
        TeacherError: if the teacher cannot be used.
        InputError: for settings that make no sense, or a place that cannot be
            written.

    Example:
        >>> store = embed("coco:photos", "boxes", "open_clip:ViT-B-32/openai", "store")
        >>> boxes, scores, features = store[42]

    Source: paper section 3.2.
    """
    if isinstance(dataset, str):
        dataset = finding.get(dataset)
    check_dataset(dataset, examples=0)  # one damaged photo is no reason to stop
    if not isinstance(proposals, ProposalStore):
        opened = open_store(proposals)
        if not isinstance(opened, ProposalStore):
            raise DataError(
                f"{str(opened.path)!r} is a store of embeddings: give one of "
                "proposals, as `vild proposals` makes it."
            )
        proposals = opened
    check_same_dataset(proposals.header, dataset, f"The store {str(proposals.path)!r}")
    check_engine(engine)
    if dtype not in FEATURES:
        raise InputError(
            f"Features are stored as {' or '.join(FEATURES)}, received {dtype!r}."
        )
    for what, number in (("batch_size", batch_size), ("threads", threads or 1)):
        if type(number) is not int or number < 1:
            raise InputError(
                f"{what} must be a whole number above 0, received {number!r}."
            )
    if not 0 <= part[0] < part[1]:
        raise InputError(
            f"A part is (i, n) with 0 <= i < n, received {part!r}: the last of 4 is "
            "(3, 4)."
        )
    check_workers(workers)
    loaded = get(teacher)
    header = make_header(
        "embeddings",
        dataset,
        images_per_shard,
        proposals={
            "fingerprint": proposals.fingerprint,
            "boxes": int(proposals.counts.sum()),
        },
        teacher=fingerprint(loaded),
        dim=int(loaded.dim),
        dtype=dtype,
        crops=crop_rule(loaded),
        encoded_in=choose_dtype(loaded, encode_dtype),
        batch_size=batch_size,
        ground_truth=bool(ground_truth),
    )
    if threads is None:
        threads = max(1, processors() // workers) if engine == "local" else 1
    here = engine == "local" and workers == 1
    work = Work(dataset, proposals, loaded if here else teacher, header, threads)
    with making(out, header) as store:
        shards = [
            index
            for index in sorted([*store.missing, *store.failed])
            if index % part[1] == part[0]
        ]
        _run(engine, work, store, shards, workers)
    made = cast(EmbeddingStore, open_store(out, partial=part[1] > 1))
    warn_of_failures(made)
    _warn_of_boxes(made, proposals)
    return made


def check_engine(engine: str) -> None:
    """Refuses an engine that there is not.

    Args:
        engine: its name.

    Raises:
        InputError: if it is none of `ENGINES`.
    """
    if engine not in ENGINES:
        raise InputError(f"The engines are {', '.join(ENGINES)}, received {engine!r}.")


def _run(
    engine: Engine, work: Work, store: Making, shards: Sequence[int], workers: int
) -> None:
    if engine == "ray":
        from vild.embedding.ray_engine import run

        run(work, store, shards, workers)
    else:
        local.run(work, store, shards, workers)


def _warn_of_boxes(made: EmbeddingStore, proposals: ProposalStore) -> None:
    """Counts boxes that were left out."""
    if made.header["ground_truth"]:
        return  # how many boxes were added is not known here
    went_well = ~np.isin(made.image_ids, list(made.failures))
    wanted = dict(zip(proposals.image_ids.tolist(), proposals.counts, strict=True))
    left_out = sum(
        int(wanted[image_id] - count)
        for image_id, count, good in zip(made, made.counts, went_well, strict=True)
        if good
    )
    if left_out:
        warnings.warn(
            f"{left_out} boxes have no area in their photo and are left out.",
            stacklevel=3,
        )
