"""`vild.detect`: everything in one call."""

import functools
import os
from collections.abc import Sequence
from typing import Any, Unpack

from vild.data.images import ImageLike
from vild.detector import Detector
from vild.names import ClassName
from vild.presets import DEFAULT_PRESET
from vild.pretrained import load_pretrained
from vild.settings import Overrides
from vild.vocabulary import Vocabulary


def detect(
    image: ImageLike | Sequence[ImageLike],
    classes: Sequence[ClassName] | Vocabulary | None = None,
    model: str | os.PathLike[str] | Detector = DEFAULT_PRESET,
    **settings: Unpack[Overrides],
) -> Any:
    """Finds what the words name in a photo.

    Args:
        image: a path, a PIL image or an (H, W, 3) uint8 RGB array; or a list.
        classes: names, lists of synonyms, or a `Vocabulary`; None for the
            model's own classes.
        model: a preset, a detector directory, or a `Detector`. One named by a
            string is loaded once and kept. The default comes with the package and
            knows drawn things; for photos name a model of photos.
        **settings: see `vild.settings.Settings`.

    Returns:
        `Detections`, or a list of them for a list of photos.

    Example:
        >>> vild.detect("street.jpg", ["bicycle"], model="r50-ensemble").table()
    """
    detector = model if isinstance(model, Detector) else _load(os.fspath(model))
    return detector.detect(image, classes, **settings)


@functools.lru_cache(maxsize=1)
def _load(model: str) -> Detector:
    return load_pretrained(model)
