"""`vild convert`: a dataset from one form into another."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vild.cli import options
from vild.errors import InputError

if TYPE_CHECKING:
    from vild.data.dataset import Dataset

_FORMS = ("coco", "lvis", "tfrecord")


def add_command(commands: Any) -> None:
    """Adds `vild convert`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "convert",
        help="convert a dataset between COCO, LVIS and TFRecords",
        description="Writes a dataset in another form. Pictures keep their bytes. If "
        "the work is cut off, the same command goes on where it stopped.",
        epilog="A dataset is lvis:PATH or coco:PATH, a json, or a folder that holds "
        "one, with the images near it; tfrecord:PATTERN, e.g. 'tfrecord:data/val-*'; "
        "or of a kind that another package brings.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("source", metavar="SRC", help="the dataset, KIND:PATH")
    parser.add_argument(
        "destination",
        metavar="DST",
        help="where to, tfrecord:FOLDER, coco:FOLDER or lvis:FOLDER",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes (default: one for each processor)",
    )
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="files of TFRecords (default: one for each 500 images)",
    )
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="what the names of TFRecords begin with (default: train, val or test, "
        "if the dataset's name says so, else data)",
    )
    parser.add_argument(
        "--skip-missing",
        action="store_true",
        help="leave out images that are not there (of lvis and coco)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="only these categories, and the images that show them; other objects stay "
        "in the pictures without a box",
    )
    parser.add_argument(
        "--regions",
        metavar="STORE",
        help="a store made for the dataset, whose boxes and embeddings go into the "
        "fields image/roi/* of TFRecords",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild convert`.

    Args:
        arguments: of the command's parser.

    Returns:
        0.

    Raises:
        VildError: if the dataset cannot be read or written.
    """
    from vild.data.coco_writing import write_coco
    from vild.data.finding import get
    from vild.data.released_records import write_records

    form, _, folder = arguments.destination.partition(":")
    if form not in _FORMS or not folder:
        raise InputError(
            f"The destination must be {', '.join(f'{f}:FOLDER' for f in _FORMS)}, "
            f"received {arguments.destination!r}."
        )
    if form != "tfrecord" and (
        arguments.shards or arguments.split or arguments.regions
    ):
        raise InputError("--shards, --split and --regions are of tfrecord:FOLDER only.")
    missing = {"missing": "skip"} if arguments.skip_missing else {}
    dataset: Dataset = get(arguments.source, **missing)
    if arguments.classes:
        from vild.data.narrowed import Narrowed

        dataset = Narrowed(dataset, arguments.classes)
    if arguments.regions and arguments.classes:
        raise InputError("A store is of a whole dataset: give it without --classes.")
    if arguments.regions:
        from vild.data.stores import WithRegions

        dataset = WithRegions(dataset, arguments.regions)
    workers = (
        arguments.workers if arguments.workers is not None else options.processors()
    )
    if form == "tfrecord":
        split = arguments.split or split_of(dataset.name)
        files = write_records(dataset, folder, split, arguments.shards, workers)
        what = f"{len(files)} files {split}-*.tfrecord in {Path(folder)}"
    else:
        what = str(write_coco(dataset, folder, form, workers))
    print(f"{len(dataset)} images of {dataset.name} are in {what}")
    return 0


def split_of(name: str) -> str:
    """Which split a dataset is, by its name.

    Args:
        name: of the dataset.

    Returns:
        "train", "val" or "test" if one of them is a word in it, else "data".

    Example:
        >>> split_of("lvis_v1_val"), split_of("instances_train2017"), split_of("mine")
        ('val', 'train', 'data')
    """
    words = re.findall("[a-z]+", name.lower())
    return next((word for word in ("train", "val", "test") if word in words), "data")
