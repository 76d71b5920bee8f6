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
    heading = [
        *("name", "parameters", "data", *_METRICS, "measured", "here", "description"),
    ]
    rows = [heading, *map(_row, presets)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    print("\nAPr, APc, APf, AP: mask AP on the data in per cent, of rare, common,")
    print("frequent and all classes, as published with the checkpoint and as measured")
    print("with this library. These commands measure, given the data:")
    for preset in presets[:2]:
        print(f"  {preset.evaluation}")
    return 0


def is_downloaded(preset: Preset) -> bool:
    """Whether `load_pretrained` will find a preset in the package or the cache.

    Args:
        preset: one of `vild.list_models`.

    Returns:
        True if nothing need be downloaded.
    """
    if preset.bundled is not None:
        return True
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
        preset.data,
        *(
            f"{preset.published[name]:.1f}" if preset.published else "-"
            for name in _METRICS
        ),
        measured,
        "yes" if is_downloaded(preset) else "no",
        preset.description,
    ]


def _about(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "description": preset.description,
        "parameters_in_millions": preset.parameters,
        "data": preset.data,
        "published": preset.published,
        "measured": preset.measured,
        "evaluation": preset.evaluation,
        "downloaded": is_downloaded(preset),
    }
