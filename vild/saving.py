"""A detector as a directory: config, weights, words, provenance, model card.

    config.json       format, model, settings, teacher
    model.weights.h5  Keras weights (HDF5; no pickle)
    vocabulary.npz    the classes it knows, their vectors, which are base
    provenance.json   where all this comes from
    README.md         the model card

It is the same on every backend.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from vild.backends import keras
from vild.detector import Detector, policy_name
from vild.errors import CheckpointError, InputError
from vild.files import replacing
from vild.layers import blank_weights
from vild.model import ViLD
from vild.settings import Settings
from vild.vocabulary import Vocabulary

_FORMAT = 1
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_VOCABULARY = "vocabulary.npz"
_PROVENANCE = "provenance.json"


def save_detector(detector: Detector, directory: Path) -> None:
    """Writes a detector directory; see the module's description.

    Args:
        detector: any.
        directory: where to; an older detector there is replaced.

    Raises:
        InputError: if something that is no detector is at that place.
    """
    foreign = directory.exists() and not is_detector(directory)
    if foreign and not (directory.is_dir() and not any(directory.iterdir())):
        raise InputError(
            f"{directory} exists and is no detector directory: choose another place "
            "or remove it first."
        )
    config = {
        "format": _FORMAT,
        "model": detector.model.get_config(),
        "settings": detector.settings.as_dict(),
        "teacher": detector.teacher,
    }
    with replacing(directory, folder=True) as folder:
        _write_json(folder / _CONFIG, config)
        _write_json(folder / _PROVENANCE, detector.provenance)
        detector.own_vocabulary.save(folder / _VOCABULARY)
        detector.model.save_weights(folder / _WEIGHTS)
        (folder / "README.md").write_text(_card(detector), encoding="utf-8")


def load_detector(directory: Path, **settings: Any) -> Detector:
    """Opens a detector directory.

    Args:
        directory: what `Detector.save` wrote.
        **settings: override the stored ones; see `vild.settings.Settings`.

    Returns:
        The detector, on the running backend.

    Raises:
        CheckpointError: if something is missing, damaged or from a newer vild.
        InputError: for a setting that there is not.
    """
    Settings().replace(settings)
    config = _read_json(directory / _CONFIG)
    if config.get("format") != _FORMAT:
        raise CheckpointError(
            f"{directory} has format {config.get('format')!r}, this version of vild "
            f"reads format {_FORMAT}: update vild, or save the detector anew."
        )
    try:
        stored = Settings().replace(config.get("settings")).as_dict()
        if isinstance(stored["image_size"], list):  # JSON has no tuples
            stored["image_size"] = tuple(stored["image_size"])
        merged = {**stored, **settings}
        model_config = dict(config["model"])
        model_config["dtype"] = policy_name(merged["dtype"])
        with blank_weights():
            model = ViLD.from_config(model_config)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{directory / _CONFIG} does not describe a detector ({error})."
        ) from error
    weights = directory / _WEIGHTS
    if not weights.is_file():
        raise CheckpointError(f"{directory} has no {_WEIGHTS}: copy it whole.")
    try:
        with warnings.catch_warnings():
            # Keras only warns of some layers that the file has nothing for.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(weights)
    except Exception as error:  # HDF5 and Keras raise many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{weights} is damaged or belongs to another model ({reason})."
        ) from error
    words = Vocabulary.load(directory / _VOCABULARY)
    provenance = _read_json(directory / _PROVENANCE)
    try:
        return Detector(
            model,
            words,
            teacher=config.get("teacher"),
            provenance=provenance,
            **merged,
        )
    except InputError as error:
        raise CheckpointError(
            f"{directory} mixes parts of several detectors: {error}"
        ) from error


def is_detector(directory: Path) -> bool:
    """Whether there is a detector directory.

    Args:
        directory: any path.

    Returns:
        True if it holds a detector's configuration.
    """
    return (directory / _CONFIG).is_file()


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} is no detector directory: it has no {path.name}."
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}).") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold a JSON object.")
    return value


def _card(detector: Detector) -> str:
    words = detector.own_vocabulary
    base = int(words.base.sum()) if words.base is not None else len(words)
    lines = [
        "# An open-vocabulary detector",
        "",
        f"`{detector!r}`, saved by vild with Keras {keras.__version__}.",
        "",
        "```python",
        "import vild",
        "",
        'detector = vild.load_pretrained("path/to/this/directory")',
        'detector.detect("photo.jpg", ["a thing", "another"])',
        "```",
        "",
        f"- classes it knows: {len(words)}, of which {base} base classes",
        f"- teacher: {detector.teacher or 'not recorded'}",
    ]
    lines += [f"- {key}: {value}" for key, value in detector.provenance.items()]
    return "\n".join(lines) + "\n"
