"""`vild data`: datasets that are made here, not downloaded as such."""

import argparse
from pathlib import Path
from typing import Any

from vild.cli import options
from vild.errors import InputError


def add_command(commands: Any) -> None:
    """Adds `vild data` with its command.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "data",
        help="make datasets: stickers",
        description="Makes datasets that need no photo of yours.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_stickers(verbs)


def _add_stickers(verbs: Any) -> None:
    parser = verbs.add_parser(
        "stickers",
        help="scenes of drawn things, each drawn by several hands",
        description="Fetches pictures of some 670 things from packages of the npm "
        "registry (30 MB), draws them into the cache once, and says what there is. "
        "From then on every command takes stickers:train, stickers:val, "
        "stickers:val-unseen, stickers:test-seen and stickers:test-unseen, composed "
        "while they are read. stickers:test-photos, of cut-out photos, needs a package "
        "of Debian (161 MB), which only --splits test-photos fetches. With --out the "
        "scenes become files in LVIS's form.",
        epilog="If the work is cut off, the same command goes on where it stopped. "
        "The environment variable VILD_STICKERS_SOURCE names a folder of package "
        "files, or another registry; VILD_CACHE a place for the pictures.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_stickers)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the scenes there"
    )
    parser.add_argument(
        "--splits",
        metavar="SPLITS",
        help="which, separated by commas; with numbers of scenes, or some styles "
        "only, if wanted: train:500,test-unseen/twemoji (default: all that are drawn)",
    )
    parser.add_argument(
        "--size",
        type=options.image_size,
        metavar="N|HxW",
        default=224,
        help="of the scenes in pixels (default: 224)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of everything (default: 0)"
    )
    parser.add_argument(
        "--records", action="store_true", help="write TFRecords too (with --out)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that write (default: one for each processor)",
    )


def _stickers(arguments: argparse.Namespace) -> int:
    from vild.data.processes import check_workers
    from vild.data.stickers import Stickers
    from vild.data.stickers.dataset import check_scenes
    from vild.data.stickers.splits import BY_DEFAULT, OBJECTS, read_split
    from vild.data.stickers.writing import make_all, summary, write_split

    wanted = (arguments.splits or ",".join(BY_DEFAULT)).split(",")
    names = [read_split(split).name for split in wanted]
    if len(set(names)) < len(names):
        raise InputError(
            f"A split can be made once at a time, received {arguments.splits!r}."
        )
    if arguments.out is None and arguments.records:
        raise InputError("--records needs --out, the folder to write to.")
    size = arguments.size
    square = (size, size) if isinstance(size, int) else size
    workers = (
        arguments.workers if arguments.workers is not None else options.processors()
    )
    # Before anything is fetched.
    check_scenes(square, OBJECTS, arguments.seed)
    check_workers(workers)
    print(summary(make_all(wanted), wanted))
    if arguments.out is None:
        return 0
    print()
    for split in wanted:
        scenes = Stickers(split, size=square, seed=arguments.seed)
        folder = write_split(scenes, arguments.out, arguments.records, workers)
        print(f"{len(scenes)} scenes of {scenes.name}, and CREDITS.md, are in {folder}")
    return 0
