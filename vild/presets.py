"""The detectors that can be had by name: what they are and what they reached."""

import os
from dataclasses import dataclass, field
from pathlib import Path
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

# Detector directories that come with the package.
BUNDLED = Path(__file__).parent / "bundled"

# What is looked at, for what and by whom, where nobody says.
DEFAULT_PRESET = "stickers"
DEMO_SCENE = BUNDLED / "demo.webp"
DEMO_WORDS = ("hot dog", "champagne glasses", "baseball", "lettuce", "seat", "cat")


@dataclass(frozen=True)
class Preset:
    """A detector that can be had by name.

    Attributes:
        name: what `load_pretrained` takes.
        description: one line for people.
        parameters: millions of weights, the text matrix included.
        ensemble: whether it has an image branch of its own.
        data: what its numbers are measured on.
        published: mask AP on `data` as published with the checkpoint, per cent; empty
            where nothing was published.
        measured: the same as measured with this library; None: not measured.
        depth: of the ResNet of a released one; 0 for others.
        archive: file name of the published checkpoint; empty: the detector comes with
            the package.
        settings: defaults for people, over those of `vild.settings.Settings` or of the
            detector's own.
    """

    name: str
    description: str
    parameters: float
    ensemble: bool
    data: str = "LVIS v1"
    published: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] | None = None
    depth: int = 0
    archive: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def bundled(self) -> Path | None:
        """The detector directory that comes with the package, if it does."""
        return None if self.archive else BUNDLED / self.name

    @property
    def evaluation(self) -> str:
        """The command that measures what `published` tells; see docs/results.md."""
        if not self.archive:
            return f"vild evaluate {self.name} {self.data}"
        return (
            f"vild evaluate {self.name} lvis:lvis/lvis_v1_val.json --image-size 1024 "
            f"--out runs/{self.name}"
        )

    @property
    def url(self) -> str:
        """Where the archive is; `VILD_WEIGHTS_URL` names a mirror's folder."""
        base = os.environ.get("VILD_WEIGHTS_URL") or RELEASE_URL
        return f"{base.rstrip('/')}/{self.archive}"


def _released(
    name: str,
    description: str,
    depth: int,
    ensemble: bool,
    archive: str,
    parameters: float,
    numbers: tuple[float, float, float, float],
) -> Preset:
    """One of the four; `numbers`: APr, APc, APf, AP."""
    rare, common, frequent, overall = numbers
    return Preset(
        name,
        description,
        parameters,
        ensemble,
        published={"AP": overall, "APr": rare, "APc": common, "APf": frequent},
        depth=depth,
        archive=archive,
        settings={"score_threshold": RELEASED_THRESHOLD},
    )


# Of the released ones: the table published with the checkpoints.
PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "stickers",
            "drawn things, comes with vild: for trying, not for photos",
            3.3,
            True,
            data="stickers:test-unseen:500",
            measured={"AP": 7.0, "APr": 4.4, "APc": 6.7, "APf": 10.5},
        ),
        _released(
            "r50",
            "ViLD, ResNet-50, one branch",
            50,
            False,
            "resnet50_vild.tar.gz",
            48.7,
            (16.6, 19.8, 28.2, 22.5),
        ),
        _released(
            "r50-ensemble",
            "ViLD-ensemble, ResNet-50, text and image branch",
            50,
            True,
            "resnet50_vild_ensemble.tar.gz",
            65.5,
            (18.0, 24.7, 30.6, 25.9),
        ),
        _released(
            "r152",
            "ViLD, ResNet-152, one branch",
            152,
            False,
            "resnet152_vild.tar.gz",
            83.5,
            (19.6, 21.6, 28.5, 24.0),
        ),
        _released(
            "r152-ensemble",
            "ViLD-ensemble, ResNet-152, text and image branch",
            152,
            True,
            "resnet152_vild_ensemble.tar.gz",
            100.3,
            (19.2, 24.8, 30.8, 26.2),
        ),
    )
}


def list_models() -> list[Preset]:
    """Every preset: what it is, its size, published and measured AP.

    Returns:
        `Preset` objects, the smallest first.

    Example:
        >>> [preset.name for preset in list_models()]
        ['stickers', 'r50', 'r50-ensemble', 'r152', 'r152-ensemble']
    """
    return list(PRESETS.values())
