"""What a detector is, for comparison: digests of its weights, words and settings."""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vild.detector import Detector

_RELEASED = 100.0  # temperature


def weights_digest(model: Any) -> Any:
    """A SHA-256 of a model's weights, and of what else decides its scores.

    Args:
        model: a `vild.ViLD`.

    Returns:
        An object of `hashlib`, to which more can be added.
    """
    found = hashlib.sha256()
    for weights in model.get_weights():
        found.update(np.ascontiguousarray(weights).tobytes())
    temperature = model.config["temperature"]
    if temperature != _RELEASED:  # or stores made before it could be chosen were lost
        found.update(f"temperature {temperature}".encode())
    return found


def detector_facts(detector: "Detector") -> dict[str, Any]:
    """What a detector is, for comparison.

    Args:
        detector: any.

    Returns:
        Its repr, and a SHA-256 of its weights, words and settings.
    """
    found = weights_digest(detector.model)
    own = detector.own_vocabulary
    base = None if own.base is None else own.base.tolist()
    settings = sorted(detector.settings.as_dict().items())
    found.update(repr((own.synonyms, base, settings)).encode())
    found.update(own.embeddings.tobytes())
    return {"name": repr(detector), "sha256": found.hexdigest()}
