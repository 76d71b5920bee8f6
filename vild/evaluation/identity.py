"""Which run a folder of predictions belongs to: what was asked, and of whom."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vild.data.dataset import Dataset
from vild.digests import weights_digest
from vild.errors import DataError
from vild.files import replacing, writing
from vild.settings import Overrides

if TYPE_CHECKING:
    from vild.evaluation.detecting import Asking

_RUN = "run.json"

# What a difference is called.
_WORDS = {
    "dataset": "dataset",
    "fingerprint": "content of the dataset",
    "images": "number of images",
    "protocol": "protocol",
    "settings": "settings",
    "words": "words or their vectors",
    "weights": "weights of the detector",
    "detector": "detector's teacher or its settings",
}


def describe(asking: "Asking", dataset: Dataset, count: int) -> dict[str, Any]:
    """What predictions depend on.

    Args:
        asking: the detector, and what it is asked.
        dataset: any.
        count: how many of its images.

    Returns:
        A dict for json.
    """
    detector, words = asking.detector, asking.words
    weights = weights_digest(detector.model)
    spoken = hashlib.sha256(repr([c.id for c in asking.categories]).encode())
    if words is not None:
        spoken.update(repr(words.names).encode("utf-8", "replace"))
        spoken.update(np.ascontiguousarray(words.embeddings).tobytes())
        spoken.update(np.asarray(words.base, bool).tobytes())
    return {
        "format": "vild.predictions",
        "version": 1,
        "dataset": dataset.name,
        "fingerprint": getattr(dataset, "fingerprint", None),
        "images": count,
        "protocol": asking.protocol.name,
        "settings": detector.settings.replace(asking.settings, Overrides).as_dict(),
        "words": spoken.hexdigest(),
        "weights": weights.hexdigest(),
        # Of detectors that are more than a model, as a teacher on crops.
        "detector": getattr(detector, "fingerprint", None),
    }


def claim(folder: Path, run: dict[str, Any], leftovers: tuple[str, ...]) -> bool:
    """Makes sure that a folder belongs to a run.

    Args:
        folder: of predictions.
        run: of `describe`.
        leftovers: files that nobody but a run would have left.

    Returns:
        Whether the run was begun there before.

    Raises:
        DataError: if it belongs to another run.
        InputError: if it cannot be written.
    """
    path = folder / _RUN
    if path.exists():
        _compare(path, json.loads(json.dumps(run)))
        return True
    strange = [name for name in leftovers if (folder / name).exists()]
    if strange:
        raise DataError(
            f"{str(folder)!r} holds a {strange[0]} but no {_RUN} that says where it "
            "comes from: name another folder, or delete it."
        )
    with writing(path), replacing(path) as temporary:
        temporary.write_text(json.dumps(run, indent=1))
    return False


def _compare(path: Path, run: dict[str, Any]) -> None:
    try:
        before = json.loads(path.read_text("utf-8"))
        known = before.get("format") == run["format"]
    except (OSError, ValueError, AttributeError):
        known = False
    if not known:
        raise DataError(
            f"{str(path)!r} was not written by vild, or is damaged: name another "
            "folder, or delete it."
        )
    differ = [said for key, said in _WORDS.items() if before.get(key) != run[key]]
    if differ or before.get("version") != run["version"]:
        what = " and ".join(differ) or "version of vild"
        raise DataError(
            f"{str(path.parent)!r} holds predictions of another run, which differs in "
            f"the {what}: name another folder, or delete it."
        )
