"""What a detector is, for comparison: a name and a digest of its weights and words."""

import hashlib
from typing import Any

import numpy as np

from vild.detector import Detector


def detector_facts(detector: Detector) -> dict[str, Any]:
    """What a detector is, for comparison.

    Args:
        detector: any.

    Returns:
        Its repr, and a SHA-256 of its weights and words.
    """
    found = hashlib.sha256()
    for weights in detector.model.get_weights():
        found.update(np.ascontiguousarray(weights).tobytes())
    own = detector.own_vocabulary
    base = None if own.base is None else own.base.tolist()
    found.update(repr((own.synonyms, base)).encode())
    found.update(own.embeddings.tobytes())
    return {"name": repr(detector), "sha256": found.hexdigest()}
