"""`vild models`: the detectors that can be had by name."""

import argparse
import json
from typing import Any

from vild.presets import Preset, list_models

_METRICS = ("APr", "APc", "APf", "AP")


def add_command(commands: Any) -> None:
    """Adds `vild models`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "models",
        help="list the models that can be had by name",
        description="Lists the models that can be had by name, what they reached on "
        "LVIS v1, and whether they are downloaded already.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild models`.

    Args:
        arguments: of the command's parser.

    Returns:
        0.
    """
    presets = list_models()
    if arguments.json:
        print(json.dumps([_about(preset) for preset in presets], indent=2))
        return 0
    heading = ["name", "parameters", *_METRICS, "measured", "downloaded", "description"]
    rows = [heading, *map(_row, presets)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    print("\nAPr, APc, APf, AP: mask AP on LVIS v1 in per cent, as published with the")
    print("checkpoint: of rare, common, frequent and all classes. What is not measured")
    print("with this library, a command measures, given LVIS's images:")
    print(f"  {presets[0].evaluation}")
    return 0


def is_downloaded(preset: Preset) -> bool:
    """Whether `load_pretrained` will find a preset in the cache.

    Args:
        preset: one of `vild.list_models`.

    Returns:
        True if nothing need be downloaded.
    """
    # vild.saving.is_detector would start Keras.
    from vild.checkpoints.cache import cache_dir

    return (cache_dir() / "detectors" / preset.name / "config.json").is_file()


def _row(preset: Preset) -> list[str]:
    measured = "not measured"
    if preset.measured is not None:
        measured = " / ".join(f"{preset.measured[name]:.1f}" for name in _METRICS)
    return [
        preset.name,
        f"{preset.parameters:.1f} M",
        *(f"{preset.published[name]:.1f}" for name in _METRICS),
        measured,
        "yes" if is_downloaded(preset) else "no",
        preset.description,
    ]


def _about(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "description": preset.description,
        "parameters_in_millions": preset.parameters,
        "published": preset.published,
        "measured": preset.measured,
        "evaluation": preset.evaluation,
        "downloaded": is_downloaded(preset),
    }
