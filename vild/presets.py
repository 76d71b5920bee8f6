"""The detectors that can be had by name: what they are and what they reached."""

import os
from dataclasses import dataclass, field
from typing import Any

RELEASE_URL = (
    "https://storage.googleapis.com/cloud-tpu-checkpoints/detection/projects/vild/"
    "pretrained_ckpts"
)

# CLIP's ViT-B/32, the teacher of all released detectors.
RELEASED_TEACHER = "open_clip:ViT-B-32/openai"
RELEASED_FINGERPRINT: dict[str, Any] = {
    "name": "open_clip:ViT-B-32",
    "dim": 512,
    "image_size": 224,
    "tag": "openai",
    "quick_gelu": True,
}

# A threshold for people. The released presets report everything (0.0); without
# LVIS and their weights at hand it could not be calibrated, so it is a guess,
# the same for all four.
RELEASED_THRESHOLD = 0.2


@dataclass(frozen=True)
class Preset:
    """A detector that can be had by name.

    Attributes:
        name: what `load_pretrained` takes.
        description: one line for people.
        depth: of the ResNet.
        ensemble: whether it has an image branch of its own.
        archive: file name of the published checkpoint.
        parameters: millions of weights, the text matrix included.
        published: LVIS v1 mask AP as published with the checkpoint, per cent.
        measured: the same as measured with this library; None: not measured.
        settings: defaults for people, over those of `vild.settings.Settings`.
    """

    name: str
    description: str
    depth: int
    ensemble: bool
    archive: str
    parameters: float
    published: dict[str, float]
    measured: dict[str, float] | None = None
    settings: dict[str, Any] = field(
        default_factory=lambda: {"score_threshold": RELEASED_THRESHOLD}
    )

    @property
    def evaluation(self) -> str:
        """The command that measures what `published` tells; see docs/results.md."""
        return (
            f"vild evaluate {self.name} lvis:lvis/lvis_v1_val.json --image-size 1024 "
            f"--out runs/{self.name}"
        )

    @property
    def url(self) -> str:
        """Where the archive is; `VILD_WEIGHTS_URL` names a mirror's folder."""
        base = os.environ.get("VILD_WEIGHTS_URL") or RELEASE_URL
        return f"{base.rstrip('/')}/{self.archive}"


def _ap(
    rare: float, common: float, frequent: float, overall: float
) -> dict[str, float]:
    return {"AP": overall, "APr": rare, "APc": common, "APf": frequent}


# Source: the table published with the checkpoints.
PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "r50",
            "ViLD, ResNet-50, one branch",
            50,
            False,
            "resnet50_vild.tar.gz",
            48.7,
            _ap(16.6, 19.8, 28.2, 22.5),
        ),
        Preset(
            "r50-ensemble",
            "ViLD-ensemble, ResNet-50, text and image branch",
            50,
            True,
            "resnet50_vild_ensemble.tar.gz",
            65.5,
            _ap(18.0, 24.7, 30.6, 25.9),
        ),
        Preset(
            "r152",
            "ViLD, ResNet-152, one branch",
            152,
            False,
            "resnet152_vild.tar.gz",
            83.5,
            _ap(19.6, 21.6, 28.5, 24.0),
        ),
        Preset(
            "r152-ensemble",
            "ViLD-ensemble, ResNet-152, text and image branch",
            152,
            True,
            "resnet152_vild_ensemble.tar.gz",
            100.3,
            _ap(19.2, 24.8, 30.8, 26.2),
        ),
    )
}


def list_models() -> list[Preset]:
    """Every preset: what it is, its size, published and measured AP.

    Returns:
        `Preset` objects, the smallest first.

    Example:
        >>> [preset.name for preset in list_models()]
        ['r50', 'r50-ensemble', 'r152', 'r152-ensemble']
    """
    return list(PRESETS.values())
