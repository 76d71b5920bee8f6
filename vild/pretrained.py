"""`load_pretrained`: a preset, a directory or a released checkpoint -> Detector."""

import contextlib
import datetime
import os
import shutil
import warnings
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from vild.checkpoints import released
from vild.checkpoints.archive import unpack
from vild.checkpoints.cache import cache_dir
from vild.checkpoints.download import fetch
from vild.checkpoints.locks import locked
from vild.data.lvis import lvis_categories
from vild.detector import Detector
from vild.errors import CheckpointError, DownloadError, InputError, VildError
from vild.layers import blank_weights
from vild.model import ViLD
from vild.precision import policy_name
from vild.presets import PRESETS, RELEASED_FINGERPRINT, RELEASED_TEACHER, Preset
from vild.saving import is_detector, load_detector
from vild.settings import ModelOverrides, Settings
from vild.teachers import Teacher, get
from vild.vocabulary import Vocabulary


def load_pretrained(
    name: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    teacher: str | Teacher | None = None,
    **settings: Unpack[ModelOverrides],
) -> Detector:
    """Loads a detector.

    `stickers` comes with the package. A released preset is downloaded when first
    asked for, converted once and kept in the cache folder (`VILD_CACHE`, by default
    the platform's). The environment variable `VILD_WEIGHTS_URL` names a mirror.

    Args:
        name: a preset (see `vild.list_models`) or a detector directory.
        checkpoint: a released TF1 checkpoint for the preset, which is then not
            downloaded: its prefix (`.../model.ckpt-180000`), its `.index` file
            or the folder that holds it.
        teacher: a teacher, or its specification (see `vild.teachers.get`), in
            place of the one the detector was distilled from. Its space must be
            the same, which nobody can check; so there is a warning.
        **settings: defaults of the detector; see `vild.settings.Settings`.

    Returns:
        The detector, on the running Keras backend.

    Raises:
        InputError: for an unknown name or setting.
        CheckpointError: if the checkpoint is damaged or belongs to another
            preset.
        DownloadError: if the archive cannot be fetched.
        TeacherError: for an unknown teacher or one that does not work.

    Example:
        >>> detector = vild.load_pretrained("r50-ensemble", image_size=1024)
    """
    # A model takes long to load: first what can be known without.
    found = None if teacher is None else get(teacher)
    detector = _load(name, checkpoint, settings)
    if found is not None:
        spec = teacher if isinstance(teacher, str) else None
        detector.lexicon = detector.lexicon.replaced(found, spec)
    return detector


def _load(name: Any, checkpoint: Any, settings: ModelOverrides) -> Detector:
    """The detector as it is stored."""
    Settings().replace(settings)
    if not isinstance(name, str | os.PathLike) or not os.fspath(name):
        raise InputError(
            f"A model is a preset or a detector directory, received {name!r}: the "
            f"presets are {', '.join(PRESETS)}."
        )
    text = os.fspath(name)
    if text.startswith("hf://"):
        raise InputError(
            f"{text}: loading from the Hugging Face hub is not supported yet; "
            "download the detector directory and pass its path."
        )
    preset = PRESETS.get(text)
    if preset is None:
        directory = Path(text).expanduser()
        if not directory.is_dir():
            raise InputError(
                f"There is neither a preset nor a detector directory {text!r}: the "
                f"presets are {', '.join(PRESETS)}."
            )
        if checkpoint is not None:
            raise InputError(
                "checkpoint= goes with a preset, which says what it is a checkpoint "
                f"of; received the directory {text!r}."
            )
        return load_detector(directory, **settings)
    if preset.bundled is not None:
        if checkpoint is not None:
            raise InputError(
                f"checkpoint= goes with a released preset, but {text!r} comes with "
                "vild: name the preset that it is of, e.g. r50-ensemble."
            )
        return load_detector(preset.bundled, **{**preset.settings, **settings})
    if checkpoint is not None:
        return _from_checkpoint(preset, checkpoint, {}, **settings)
    return load_detector(_cached(preset), **settings)


def _cached(preset: Preset) -> Path:
    """The detector directory of a released preset, made when first asked for."""
    directory = cache_dir() / "detectors" / preset.name
    if is_detector(directory):
        return directory
    if directory.exists():
        raise CheckpointError(
            f"The cached {preset.name!r} in {directory} is damaged: delete that "
            "folder, and it is downloaded again."
        )
    try:
        with locked(directory.with_name(f".{preset.name}.lock")):
            if not is_detector(directory):  # somebody else may have been faster
                _download(preset, directory)
    except VildError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{preset.name!r} cannot be kept in the cache {str(cache_dir())!r} "
            f"({error}): name a folder with enough room by VILD_CACHE."
        ) from error
    return directory


def _download(preset: Preset, directory: Path) -> None:
    """Fetches, unpacks and converts a released checkpoint."""
    scratch = directory.with_name(f".{preset.name}.download")
    content = scratch / "content"
    try:
        digest = fetch(preset.url, scratch / preset.archive)
    except DownloadError:
        # What an interrupted download left is kept: the next one goes on there.
        with contextlib.suppress(OSError):
            scratch.rmdir()
        raise
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    provenance = {"url": preset.url, "sha256": digest, "downloaded": today}
    try:
        shutil.rmtree(content, ignore_errors=True)  # of a process that was killed
        unpack(scratch / preset.archive, content)
        detector = _from_checkpoint(preset, _find(content), provenance)
        detector.save(directory)
    except (CheckpointError, DownloadError) as error:
        raise type(error)(
            f"The archive {preset.url} cannot be used: {error}"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _find(content: Path) -> Path:
    """The folder inside an unpacked archive that holds the checkpoint."""
    found = sorted({index.parent for index in content.rglob("*.index")})
    if len(found) != 1:
        raise CheckpointError(f"it should hold one checkpoint, found {len(found)}.")
    return found[0]


def _from_checkpoint(
    preset: Preset, path: Any, provenance: dict[str, Any], **settings: Any
) -> Detector:
    """Builds a preset's model with the weights of a released checkpoint."""
    arrays = released.read_released(path, ensemble=preset.ensemble, depth=preset.depth)
    matrix = arrays.pop(released.TEXT_MATRIX)
    dtype = settings.get("dtype", "float32")
    with blank_weights():
        model = ViLD(preset.depth, ensemble=preset.ensemble, dtype=policy_name(dtype))
    names = released.released_names(
        [variable.path for variable in model.variables], preset.depth
    )
    shapes = {names[v.path]: tuple(v.shape) for v in model.variables}
    matched = released.match_variables(arrays, shapes, path)
    for variable in model.variables:
        variable.assign(matched[names[variable.path]])
    return Detector(
        model,
        _lvis_vocabulary(matrix, model.config["dim"], path),
        teacher=RELEASED_TEACHER,
        provenance={"preset": preset.name, "checkpoint": Path(path).name, **provenance},
        **{**preset.settings, **settings},
    )


def _lvis_vocabulary(matrix: np.ndarray, dim: int, source: Any) -> Vocabulary:
    """The words that come with a checkpoint: its fixed text matrix."""
    if matrix.ndim != 2 or matrix.shape[0] != dim:
        raise CheckpointError(
            f"{source}: the variable {released.TEXT_MATRIX!r} has shape "
            f"{matrix.shape}, expected ({dim}, number of classes)."
        )
    categories = lvis_categories()
    if matrix.shape[1] == len(categories):
        names = [[c.name, *(s for s in c.synonyms if s != c.name)] for c in categories]
        words = Vocabulary(names, matrix.T, [c.base for c in categories])
        words.teacher = RELEASED_FINGERPRINT
        return words
    warnings.warn(
        f"{source} has vectors for {matrix.shape[1]} classes, not for the "
        f"{len(categories)} of LVIS v1: they are named 'class 1', 'class 2', ... and "
        "taken for base classes.",
        stacklevel=5,
    )
    return Vocabulary(
        [f"class {i + 1}" for i in range(matrix.shape[1])], matrix.T, base=True
    )
