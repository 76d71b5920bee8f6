"""What a file of weights does not say: the activation, and how photos are shown.

CLIP's weights mean something only together with the activation they were trained
with, and with the mean and spread that were taken off their pixels. A pretrained tag
says both; a file has to be recognised.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vild.errors import TeacherError
from vild.teachers import open_clip_catalogue as catalogue

MEAN = (0.48145466, 0.4578275, 0.40821073)
"""OpenAI's mean of the RGB channels, in [0, 1]; open_clip's default."""
STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's standard deviation of the RGB channels, in [0, 1]; the same."""

# How open_clip makes a photo square -> how vild says it.
_RESIZE = {"shortest": "crop", "squash": "squash"}


@dataclass(frozen=True)
class Traits:
    """How weights want to be used.

    Attributes:
        quick_gelu: whether the activation is x * sigmoid(1.702 x), else GELU.
        mean: of the RGB channels, in [0, 1].
        std: standard deviation of the RGB channels, in [0, 1].
        resize: `"crop"` or `"squash"`.
    """

    quick_gelu: bool
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    resize: str = "crop"

    def facts(self) -> dict[str, Any]:
        """For a fingerprint: strings and bools.

        Returns:
            The four attributes, numbers as text.

        Example:
            >>> Traits(True, (0.5,) * 3, (0.5,) * 3).facts()["mean"]
            '0.5 0.5 0.5'
        """
        return {
            "quick_gelu": self.quick_gelu,
            "mean": " ".join(map(str, self.mean)),
            "std": " ".join(map(str, self.std)),
            "resize": self.resize,
        }


def of_tag(model: str, tag: str) -> Traits:
    """How the weights of a tag want to be used.

    open_clip itself takes the activation from the name of the model, and warns
    where the tag knows better; here the tag decides.

    Args:
        model: name without the mark of the activation.
        tag: one of `catalogue.tags(model)`.

    Returns:
        The traits.

    Example:
        >>> of_tag("ViT-B-32", "openai").quick_gelu
        True
    """
    settings = catalogue.tags(model)[tag]
    quick = catalogue.config(model).get("quick_gelu") or settings.get("quick_gelu")
    return _traits(bool(quick), settings, tag)


def of_file(model: str, path: Path, quick_gelu: bool = False) -> Traits:
    """How the weights in a file want to be used, as far as one can see.

    QuickGELU is what they were trained with if any of these says so: the caller;
    the model's own config; a TorchScript archive, the form in which OpenAI
    published; an `open_clip_config.json` beside the file; a tag with that
    activation, or "quickgelu", in the name of the file or of the hub's cache folder
    that it is in. OpenAI's weights saved anew under another name show none of it:
    for those the model must be called `...-quickgelu`.

    Mean, spread and resize come from the JSON, else from the tag, else from what
    all tags of the model have in common, else they are open_clip's defaults.

    Args:
        model: name without the mark of the activation.
        path: an existing file.
        quick_gelu: whether the caller said so.

    Returns:
        The traits.

    Raises:
        TeacherError: if the JSON beside the file cannot be used.
    """
    beside = _config_beside(path)
    known = catalogue.tags(model)
    tag = _tag_in_name(path, known)
    archive = is_torchscript(path)
    quick_gelu |= bool(
        catalogue.config(model).get("quick_gelu")
        or archive
        or beside.get("model_cfg", {}).get("quick_gelu")
        or "quickgelu" in path.name.lower().replace("_", "").replace("-", "")
        or (tag and known[tag].get("quick_gelu"))
    )
    if beside.get("preprocess_cfg"):
        settings = beside["preprocess_cfg"]
    elif tag or archive:
        settings = known[tag] if tag else {}
    else:
        settings = _in_common(list(known.values()))
    return _traits(quick_gelu, settings, path.name)


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a zip with a table of constants.

    Args:
        path: an existing file.

    Returns:
        True or False.
    """
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(n.endswith("/constants.pkl") for n in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError):
        return False


def _config_beside(path: Path) -> dict[str, Any]:
    """What open_clip wrote beside the weights that it pushed to a hub; maybe {}."""
    file = path.with_name("open_clip_config.json")
    if not file.is_file():
        return {}
    try:
        beside = json.loads(file.read_text("utf-8"))
        parts = [beside.get(key) or {} for key in ("model_cfg", "preprocess_cfg")]
        if all(isinstance(part, dict) for part in parts):
            return dict(zip(("model_cfg", "preprocess_cfg"), parts, strict=True))
    except (AttributeError, ValueError):
        pass
    raise TeacherError(
        f"{file} lies beside the weights but cannot be read as open_clip's settings "
        "for them: mend it, or move it away."
    )


def _tag_in_name(path: Path, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The tag that the file's name, or its folder in the hub's cache, speaks of."""
    cached = [folder for folder in path.parts[:-1] if folder.startswith("models--")]
    for tag, settings in known.items():
        repository = settings.get("hf_hub", "").rpartition("/")[0]
        if repository and "models--" + repository.replace("/", "--") in cached:
            return tag
    names = [name.lower().replace("-", "_") for name in (path.name, *cached)]
    spoken = [tag for tag in known if any(tag in name for name in names)]
    # One tag may begin with another.
    return max(spoken, key=len, default=None)


def _in_common(all_settings: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings that are the same everywhere."""
    first = all_settings[0] if all_settings else {}
    return {
        key: value
        for key, value in first.items()
        if all(settings.get(key) == value for settings in all_settings)
    }


def _traits(quick_gelu: bool, settings: Mapping[str, Any], whose: str) -> Traits:
    """Reads open_clip's preprocessing settings; what is missing is its default."""
    resize = settings.get("resize_mode") or "shortest"
    mean = _three(settings.get("mean") or MEAN)
    std = _three(settings.get("std") or STD)
    if resize not in _RESIZE or not mean or not std or not all(std):
        raise TeacherError(
            f"The settings of {whose} must have resize_mode {' or '.join(_RESIZE)} and "
            "mean and std of three channels, received "
            f"{resize}, {settings.get('mean')} and {settings.get('std')}."
        )
    return Traits(quick_gelu, mean, std, _RESIZE[resize])


def _three(value: Any) -> tuple[float, ...]:
    """One number for all channels, or three; () for anything else."""
    numbers = value if isinstance(value, list | tuple) else [value] * 3
    try:
        return tuple(map(float, numbers)) if len(numbers) == 3 else ()
    except (TypeError, ValueError):
        return ()
