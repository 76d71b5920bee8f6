"""A detector as a directory: config, weights, words, provenance, model card.

    config.json       format, model, settings, teacher and its fingerprint
    model.weights.h5  Keras weights (HDF5; no pickle)
    vocabulary.npz    the classes it knows, their vectors, which are base
    provenance.json   where all this comes from
    README.md         the model card

It is the same on every backend.
"""

import contextlib
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vild.backends import keras
from vild.detector import Detector
from vild.errors import CheckpointError, InputError, VildError
from vild.files import replacing, writing
from vild.layers import blank_weights
from vild.model import ViLD
from vild.precision import policy_name
from vild.settings import Settings
from vild.vocabulary import Vocabulary

_FORMAT = 1
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_VOCABULARY = "vocabulary.npz"
_PROVENANCE = "provenance.json"
_CARD = "README.md"


def save_detector(detector: Detector, directory: Path, half: bool = False) -> None:
    """Writes a detector directory; see the module's description.

    Args:
        detector: any.
        directory: where to; an older detector there is replaced.
        half: whether kernels are stored in half precision. The file is half as large;
            it opens as any other does.

    Raises:
        InputError: if something that is no detector is at that place.
    """
    _check_place(directory)
    config = {
        "format": _FORMAT,
        "model": detector.model.get_config(),
        "settings": detector.settings.as_dict(),
        "teacher": detector.lexicon.recorded_spec,
        "teacher_fingerprint": _fingerprint(detector),
        "variables": len(detector.model.variables),
    }
    with writing(directory), replacing(directory, folder=True) as folder:
        detector.own_vocabulary.save(folder / _VOCABULARY)
        detector.model.save_weights(folder / _WEIGHTS)
        if half:
            _halve(folder / _WEIGHTS)
        config["sha256"] = {
            name: _digest(folder / name) for name in (_VOCABULARY, _WEIGHTS)
        }
        _write_json(folder / _CONFIG, config)
        _write_json(folder / _PROVENANCE, detector.provenance)
        (folder / _CARD).write_text(_card(detector), encoding="utf-8")


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
        merged = {**stored, **settings}
        model_config = dict(config["model"])
        model_config["dtype"] = policy_name(merged["dtype"])
        with blank_weights():
            model = ViLD.from_config(model_config)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{directory / _CONFIG} does not describe a detector ({error})."
        ) from error
    if config.get("variables") != len(model.variables):
        raise CheckpointError(
            f"{directory / _CONFIG} describes a model of {len(model.variables)} "
            f"variables, but {config.get('variables')} were saved: it was changed."
        )
    _check_digests(directory, config.get("sha256"))
    weights = directory / _WEIGHTS
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
        detector = Detector(
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
    if config.get("teacher_fingerprint") is not None:
        detector.lexicon.recorded = config["teacher_fingerprint"]
    return detector


def is_detector(directory: Path) -> bool:
    """Whether there is a detector directory.

    Args:
        directory: any path.

    Returns:
        True if it holds a detector's configuration.
    """
    try:
        config = _read_json(directory / _CONFIG)
    except CheckpointError:
        return False
    return "format" in config and "model" in config


def _check_place(directory: Path) -> None:
    """Refuses to replace anything but a detector directory or an empty folder."""
    if not directory.exists():
        return
    names = {path.name for path in directory.iterdir()} if directory.is_dir() else {""}
    foreign = names - {_CONFIG, _WEIGHTS, _VOCABULARY, _PROVENANCE, _CARD}
    if foreign or (names and not is_detector(directory)):
        raise InputError(
            f"{directory} exists and is no detector directory: choose another place "
            "or remove it first."
        )


def _halve(path: Path) -> None:
    """Stores kernels in half precision; what is per channel is small and stays."""
    import h5py  # what Keras writes weights with

    packed = path.with_name(f"half-{path.name}")
    with h5py.File(path) as whole, h5py.File(packed, "w") as half:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                half.require_group(name).attrs.update(item.attrs)
                return
            values = item[()]
            if values.ndim > 1 and np.abs(values).max() < np.finfo(np.float16).max:
                values = values.astype(np.float16)
            half.create_dataset(name, data=values).attrs.update(item.attrs)

        half.attrs.update(whole.attrs)
        whole.visititems(copy)
    packed.replace(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_digests(directory: Path, digests: Any) -> None:
    """Tells damage before a framework reads it; HDF5 has no checksums here."""
    for name in (_VOCABULARY, _WEIGHTS):
        path = directory / name
        if not path.is_file():
            raise CheckpointError(f"{directory} has no {name}: copy it whole.")
        if not isinstance(digests, dict) or _digest(path) != digests.get(name):
            raise CheckpointError(
                f"{path} is damaged or belongs to another detector: its digest is not "
                "the one that was saved; copy the directory again."
            )


def _fingerprint(detector: Detector) -> dict[str, Any] | None:
    """Of the teacher it was distilled from, if that can be had."""
    lexicon = detector.lexicon
    if lexicon.recorded is None and lexicon.spec is not None:
        # A detector is worth saving without it: not everybody has the teacher.
        with contextlib.suppress(VildError):
            _ = lexicon.teacher
    return lexicon.recorded


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
        f"- teacher: {detector.lexicon.recorded_spec or 'not recorded'}",
    ]
    tables = {k: v for k, v in detector.provenance.items() if _is_table(v)}
    lines += [
        f"- {key}: {value}"
        for key, value in detector.provenance.items()
        if key not in tables
    ]
    for key, rows in tables.items():
        lines += ["", f"## {key.capitalize()}", "", *_table(rows)]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    """Whether it is rows of the same columns."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and [*row] == [*value[0]] for row in value)
        and not any(
            isinstance(cell, dict | list) for row in value for cell in [*row.values()]
        )
    )


def _table(rows: list[dict[str, Any]]) -> list[str]:
    cells = [[*rows[0]], ["---"] * len(rows[0]), *([*row.values()] for row in rows)]
    return ["| " + " | ".join(map(str, line)) + " |" for line in cells]
