"""Reading every byte of a store, and what it says of itself."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vild.data.stores.header import read_header
from vild.data.stores.opening import open_store
from vild.data.stores.shard import Shard, shard_name
from vild.errors import DataError

# Unit rows in half precision are this far from unit length.
_UNIT_TOLERANCE = 5e-3


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        images: how many images there are, failed ones among them.
        boxes: how many boxes there are.
        failures: image id -> why there is nothing.
        problems: what is wrong, a sentence each; empty if nothing is.
    """

    images: int
    boxes: int
    failures: dict[int, str]
    problems: list[str]


def verify_store(path: str | os.PathLike[str]) -> Verified:
    """Reads a store whole: every checksum, every box, every length.

    Args:
        path: its folder.

    Returns:
        What was found.

    Raises:
        DataError: if its header cannot be used.

    Example:
        >>> verify_store("nothing")
        Traceback (most recent call last):
        vild.errors.DataError: 'nothing' is no store: expected a folder that holds ...
    """
    folder = Path(path)
    header, key = read_header(folder)
    ids: list[int] = []
    boxes, failures, problems = 0, dict[int, str](), list[str]()
    for index in tqdm(range(header["shards"]), unit="shard", disable=None):
        try:
            shard = Shard(folder, header, key, index)
        except DataError as error:
            problems.append(str(error))
            continue
        ids += shard.image_ids.tolist()
        failures |= shard.failures
        boxes += shard.count
        for row in range(len(shard)):
            try:
                odd = _odd(*shard[row])
            except DataError as error:
                problems.append(str(error))
                continue
            if odd:
                problems.append(
                    f"Image {shard.image_ids[row]} in {str(shard.path)!r} has {odd}."
                )
    twice = len(ids) - len(set(ids))
    if twice:
        problems.append(f"{twice} images are there more than once.")
    expected = {shard_name(i, header["shards"]) for i in range(header["shards"])}
    others = {p.name for p in folder.glob("shard-*")} - expected
    if others:
        problems.append(f"{min(others)!r} is no file of this store.")
    return Verified(len(ids), boxes, failures, problems)


def _odd(boxes: np.ndarray, scores: np.ndarray, *features: np.ndarray) -> str | None:
    """What of an image makes no sense, although its checksum is right."""
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
        return "boxes without an area"
    if not np.isfinite(scores).all():
        return "scores that are no numbers"
    for rows in features:
        lengths = np.linalg.norm(rows.astype(np.float32), axis=1)
        if not (np.abs(lengths - 1) < _UNIT_TOLERANCE).all():
            return "features that are not of length 1"
    return None


def store_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a store is of, and how far it has got.

    Args:
        path: its folder.

    Returns:
        `header`; `fingerprint`; how many `images`, `boxes`, `failed`,
        `images_without_boxes`, `missing_shards` and `bytes` there are.

    Raises:
        DataError: if it is damaged or no store.
    """
    store = open_store(path, partial=True)
    bare = int((store.counts == 0).sum()) - len(store.failures)
    return {
        "header": store.header,
        "fingerprint": None if store.missing_shards else store.fingerprint,
        "images": len(store),
        "boxes": int(store.counts.sum()),
        "failed": len(store.failures),
        "images_without_boxes": bare,
        "missing_shards": len(store.missing_shards),
        "bytes": sum(p.stat().st_size for p in store.path.iterdir() if p.is_file()),
    }
