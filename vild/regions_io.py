"""The file of regions: `.npz`, without pickles.

boxes, objectness, text_embeddings, model_boxes, background
arrays as `Regions` describes them
image_embeddings  may be absent
features_0, ...   pyramid maps, which masks need; may be absent
about             JSON text: size of the photo, settings, teacher's fingerprint,
                  temperature (100 where it is not told)
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vild.backends import keras
from vild.errors import CheckpointError, InputError
from vild.files import replacing, writing
from vild.ops.scoring import TEMPERATURE
from vild.regions import Regions
from vild.settings import Settings
from vild.vocabulary_io import is_fingerprint

if TYPE_CHECKING:
    from vild.detector import Detector

ops = keras.ops

_ARRAYS = ("boxes", "objectness", "text_embeddings", "model_boxes", "background")


def save_regions(regions: Regions, path: Path, features: bool) -> None:
    """Writes the file; see `Regions.save`.

    Args:
        regions: what to write.
        path: where to.
        features: whether to write what masks need too.

    Raises:
        InputError: if features are asked for and there are none.
    """
    arrays = {name: getattr(regions, name) for name in _ARRAYS}
    if regions.image_embeddings is not None:
        arrays["image_embeddings"] = regions.image_embeddings
    if features:
        if regions.features is None:
            raise InputError(
                "These regions have no mask features to save: encode the photo again "
                "without masks=False."
            )
        for i, feature in enumerate(regions.features):
            arrays[f"features_{i}"] = ops.convert_to_numpy(ops.cast(feature, "float32"))
    about = {
        "image_size": regions.image_size,
        "settings": regions.settings.as_dict(),
        "teacher": regions.teacher,
        "temperature": regions.temperature,
    }
    arrays["about"] = np.array(json.dumps(about))
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _check_shapes(regions: Regions) -> None:
    """Raises a ValueError if arrays do not fit each other."""
    number, dim = regions.text_embeddings.shape
    image = regions.image_embeddings
    shapes = {
        "boxes": (regions.boxes.shape, (number, 4)),
        "objectness": (regions.objectness.shape, (number,)),
        "model_boxes": (regions.model_boxes.shape, (number, 4)),
        "background": (regions.background.shape, (dim,)),
        "image_size": (np.shape(regions.image_size), (2,)),
        "image_embeddings": (
            (number, dim) if image is None else image.shape,
            (number, dim),
        ),
    }
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise ValueError(f"{name} has shape {found}, expected {expected}")


def load_regions(path: Path, detector: "Detector | None") -> Regions:
    """Reads the file; see `Regions.load`.

    Args:
        path: an `.npz` file.
        detector: the detector that made them, or None.

    Returns:
        The regions.

    Raises:
        CheckpointError: if the file is missing, damaged or something else.
        InputError: if another kind of detector made them.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about: dict[str, Any] = json.loads(str(arrays["about"][()]))
            teacher = about.get("teacher")
            if teacher is not None and not is_fingerprint(teacher):
                raise ValueError("its teacher is not what it should be")
            stored = {name: arrays[name] for name in _ARRAYS}
            names = sorted(n for n in arrays.files if n.startswith("features_"))
            features = [ops.convert_to_tensor(arrays[name]) for name in names]
            image = arrays.get("image_embeddings")
        regions = Regions(
            image_embeddings=image,
            image_size=tuple(about["image_size"]),
            settings=Settings().replace(about["settings"]),
            detector=detector,
            features=features or None,
            teacher=teacher,
            temperature=float(about.get("temperature", TEMPERATURE)),
            **stored,
        )
        _check_shapes(regions)
    except FileNotFoundError:
        raise CheckpointError(f"There is no file of regions {path}.") from None
    except Exception as error:  # a zip file can be damaged in many ways
        raise CheckpointError(
            f"{path} is not a file of regions or is damaged ({error}): make it anew "
            "with Regions.save."
        ) from error
    if detector is not None:
        detector.check_regions(regions)
    return regions
