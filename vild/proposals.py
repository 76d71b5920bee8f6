"""A dataset and any detector -> a store of class-agnostic boxes."""

import functools
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from vild.class_agnostic import COUNT, NMS_IOU, best_regions, scored_by, scores_of
from vild.data import finding
from vild.data.brought_boxes import BroughtBoxes
from vild.data.crops import boxes_inside
from vild.data.dataset import Dataset, check_dataset
from vild.data.example import Example
from vild.data.overlap import suppress
from vild.data.stores import ProposalStore, open_store
from vild.data.stores.failures import (
    check_some_went_well,
    said,
    warn_of_failures,
)
from vild.data.stores.header import make_header
from vild.data.stores.shard import Entry, shard_images
from vild.data.stores.writing import Making, making
from vild.detector import Detector
from vild.digests import weights_digest
from vild.errors import InputError, VildError
from vild.pretrained import load_pretrained
from vild.settings import Overrides

IMAGES_PER_SHARD = 64
"""What a kill costs at most."""

# Images -> what there is of each.
Look = Callable[[Sequence[Example]], list[Entry]]


def make_proposals(
    source: str | os.PathLike[str] | Detector | BroughtBoxes,
    dataset: str | Dataset,
    out: str | os.PathLike[str],
    *,
    count: int = COUNT,
    nms_iou: float | None = NMS_IOU,
    score_threshold: float = 0.0,
    batch_size: int = 8,
    images_per_shard: int = IMAGES_PER_SHARD,
    **settings: Any,
) -> ProposalStore:
    """Writes boxes that may hold something, for every image of a dataset.

    A detector that knows a single class ("object", after training without classes) is
    asked for that class, any other for the objectness of its regions; the boxes are
    those that its second look has refined. If the work is cut off, the same call goes
    on with the shards that are not there yet. A photo that cannot be read is recorded
    as failed, and tried again by the same call.

    Args:
        source: a detector; a preset or a detector directory; or boxes that you bring,
            a `.json` in COCO's form, see `BroughtBoxes`.
        dataset: a dataset or its specification, see `vild.data.finding.get`.
        out: folder of the store.
        count: boxes per image, at most.
        nms_iou: of two boxes that overlap this much the better one stays; None for no
            suppression.
        score_threshold: keep scores of this or more.
        batch_size: photos that are looked at together.
        images_per_shard: how many images share a file.
        **settings: `image_size`, `num_proposals` and `pre_nms_proposals` of the
            detector, see `vild.settings.Settings`.

    Returns:
        The store, opened. Boxes are inside their photo, best first.

    Raises:
        DataError: if an image is missing, the boxes are of another dataset, or there
            is another store at that place.
        InputError: for settings that make no sense, or a place that cannot be
            written.

    Example:
        >>> store = make_proposals("runs/rpn", "coco:photos", "boxes")
        >>> boxes, scores = store[42]

    Source: paper section 3.2.
    """
    if isinstance(dataset, str):
        dataset = finding.get(dataset)
    check_dataset(dataset, examples=0)  # one damaged photo is no reason to stop
    _check(count, nms_iou, score_threshold, batch_size)
    if isinstance(source, str | os.PathLike):
        is_json = Path(source).suffix.lower() == ".json"
        source = BroughtBoxes(source) if is_json else load_pretrained(source)
    chosen = {
        "count": int(count),
        "nms_iou": None if nms_iou is None else float(nms_iou),
        "score_threshold": float(score_threshold),
    }
    if isinstance(source, BroughtBoxes):
        source.check_belongs(dataset)
        look: Look = functools.partial(_brought, source, chosen)
        about: dict[str, Any] = {"kind": "json", "sha256": source.digest}
    else:
        how = cast(Overrides, {**settings, "masks": False})
        look = functools.partial(_detected, source, chosen, batch_size, how)
        about = {**_about(source, how), "batch_size": batch_size}
    header = make_header("proposals", dataset, images_per_shard, source=about, **chosen)
    with making(out, header) as store:
        _make(store, dataset, look, needs_photos=not isinstance(source, BroughtBoxes))
    made = cast(ProposalStore, open_store(out))
    if isinstance(source, BroughtBoxes):
        source.warn_of_others(made.image_ids)
    warn_of_failures(made)
    return made


def _make(store: Making, dataset: Dataset, look: Look, needs_photos: bool) -> None:
    """Makes what is missing; photos of the next shard are read meanwhile."""
    shards = sorted([*store.missing, *store.failed])
    total = sum(len(shard_images(store.header, index)) for index in shards)

    def read(position: int) -> tuple[Example, str | None]:
        example = dataset[position]
        try:
            if needs_photos:
                _ = example.image
        except VildError as error:
            return example, said(error)
        return example, None

    with (
        tqdm(total=total, unit="image", disable=None) as bar,
        ThreadPoolExecutor() as pool,
    ):

        def begin(index: int) -> list[Future[tuple[Example, str | None]]]:
            images = shard_images(store.header, index)
            return [pool.submit(read, position) for position in images]

        coming = begin(shards[0]) if shards else []
        for place, index in enumerate(shards):
            opened = [future.result() for future in coming]
            coming = begin(shards[place + 1]) if place + 1 < len(shards) else []
            failed = {e.image_id: why for e, why in opened if why is not None}
            if failed != store.failed.get(index):
                entries = _entries(opened, look, index)
                store.write(index, store.content(index, entries))
            bar.update(len(opened))


def _entries(
    opened: Sequence[tuple[Example, str | None]], look: Look, index: int
) -> dict[int, Entry]:
    looked = iter(look([example for example, why in opened if why is None]))
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    entries = {
        int(example.image_id): next(looked)
        if why is None
        else Entry(*nothing, failure=why)
        for example, why in opened
    }
    check_some_went_well(index, entries)
    return entries


def _detected(
    detector: Detector,
    chosen: dict[str, Any],
    batch_size: int,
    settings: Overrides,
    examples: Sequence[Example],
) -> list[Entry]:
    entries = []
    # Batches are of these images alone, so that what is resumed is the same.
    for start in range(0, len(examples), batch_size):
        photos = [example.image for example in examples[start : start + batch_size]]
        number = len(photos)
        photos += photos[-1:] * (batch_size - number)  # one compiled program for all
        encoded = detector.encode(photos, batch_size=batch_size, **settings)
        for regions in encoded[:number]:
            scores = scores_of(regions, detector)
            index, boxes = best_regions(regions, scores, **chosen)
            entries.append(Entry(boxes, scores[index].astype(np.float32)))
    return entries


def _brought(
    source: BroughtBoxes, chosen: dict[str, Any], examples: Sequence[Example]
) -> list[Entry]:
    entries = []
    for example in examples:
        boxes, scores = source[int(example.image_id)]
        boxes, inside = boxes_inside(boxes, example.size)
        scores = scores[inside]
        kept = suppress(
            boxes,
            scores,
            iou=chosen["nms_iou"],
            count=chosen["count"],
            threshold=chosen["score_threshold"],
        )
        entries.append(Entry(boxes[kept], scores[kept]))
    return entries


def _about(detector: Detector, settings: Overrides) -> dict[str, Any]:
    """What determines a detector's boxes."""
    digest = weights_digest(detector.model)
    own = detector.own_vocabulary
    if len(own) == 1:
        digest.update(own.embeddings.tobytes())
    used = detector.settings.replace(settings, Overrides).as_dict()
    names = ("image_size", "pre_nms_proposals", "num_proposals", "dtype")
    return {
        "kind": "detector",
        "sha256": digest.hexdigest(),
        "score": scored_by(detector),
        "settings": json.loads(json.dumps({name: used[name] for name in names})),
    }


def _check(count: Any, nms_iou: Any, score_threshold: Any, batch_size: Any) -> None:
    for name, value in (("count", count), ("batch_size", batch_size)):
        if type(value) is not int or value < 1:
            raise InputError(
                f"{name} must be a whole number above 0, received {value!r}."
            )
    if nms_iou is not None and not 0 < nms_iou <= 1:
        raise InputError(
            "nms_iou must be above 0 and at most 1, or None for no suppression; "
            f"received {nms_iou!r}."
        )
    if not np.isfinite(score_threshold):
        raise InputError(f"score_threshold must be a number, not {score_threshold!r}.")
