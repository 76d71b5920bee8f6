"""What a detector is, for comparison: digests of its weights, words and settings."""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vild.detector import Detector


def weights_digest(model: Any) -> Any:
    """A SHA-256 of a model's weights, to which more can be added.

    Args:
        model: any Keras model.

    Returns:
        An object of `hashlib`.
    """
    found = hashlib.sha256()
    for weights in model.get_weights():
        found.update(np.ascontiguousarray(weights).tobytes())
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
