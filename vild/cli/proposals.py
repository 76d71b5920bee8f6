"""`vild proposals`: boxes that may hold something, for every image of a dataset."""

import argparse
import json
from pathlib import Path
from typing import Any

from vild.cli import options
from vild.errors import InputError
from vild.files import replacing, writing


def add_command(commands: Any) -> None:
    """Adds `vild proposals`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "proposals",
        help="write class-agnostic boxes for a dataset",
        description="Writes boxes that may hold something, for every image of a "
        "dataset, into a store, and says how many of its objects they cover. If the "
        "work is cut off, the same command goes on where it stopped.",
        epilog="A detector that knows a single class is asked for that class, any "
        "other for the objectness of its regions.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a preset, see `vild models`, a detector directory, or boxes of your own, "
        "a .json in COCO's form",
    )
    parser.add_argument(
        "dataset", metavar="DATASET", help="KIND:PATH, as for `vild convert`"
    )
    parser.add_argument(
        "--out", required=True, metavar="STORE", help="folder of the store"
    )
    parser.add_argument(
        "--count",
        type=options.count,
        default=300,
        metavar="N",
        help="boxes per image, at most (default: 300)",
    )
    parser.add_argument(
        "--nms-iou",
        type=options.number_or_none,
        default=0.7,
        metavar="X|none",
        help="of two boxes that overlap this much the better one stays (default: 0.7)",
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.0,
        metavar="T",
        help="keep scores of T or more (default: 0)",
    )
    parser.add_argument(
        "--batch-size",
        type=options.count,
        default=8,
        metavar="N",
        help="photos that are looked at together (default: 8)",
    )
    parser.add_argument(
        "--image-size",
        type=options.image_size,
        metavar="N|HxW",
        help="scale photos to fit a square of N, or a height and width, in pixels",
    )
    parser.add_argument(
        "--num-proposals",
        type=options.count,
        metavar="N",
        help="regions of the detector that the boxes are taken from (default: as the "
        "model has it)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the recall to FILE too")
    parser.add_argument(
        "--no-recall", action="store_true", help="do not compare with the objects"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild proposals`.

    Args:
        arguments: of the command's parser.

    Returns:
        0.

    Raises:
        VildError: if something cannot be read or written.
    """
    from vild.data.finding import get
    from vild.data.recall import average_recall
    from vild.proposals import make_proposals

    if arguments.json and arguments.no_recall:
        raise InputError("--json writes the recall: leave out --no-recall.")
    names = ("image_size", "num_proposals")
    settings: Any = {name: getattr(arguments, name) for name in names}
    dataset = get(arguments.dataset)
    store = make_proposals(
        arguments.model,
        dataset,
        arguments.out,
        count=arguments.count,
        nms_iou=arguments.nms_iou,
        score_threshold=arguments.score_threshold,
        batch_size=arguments.batch_size,
        **{name: value for name, value in settings.items() if value is not None},
    )
    print(
        f"{int(store.counts.sum())} boxes of {len(store)} images of {dataset.name} are "
        f"in {arguments.out}"
    )
    if arguments.no_recall:
        return 0
    recall = average_recall(dataset, store)
    for group, values in recall.items():
        shown = (
            f"{name} {'-' if value is None else f'{100 * value:.1f}'}"
            for name, value in values.items()
        )
        print(f"{group:<6} {'  '.join(shown)}")
    if arguments.count < 1000:
        print(f"No image has more than {arguments.count} boxes.")
    if arguments.json:
        path = Path(arguments.json)
        with writing(path), replacing(path) as temporary:
            temporary.write_text(json.dumps(recall, indent=2) + "\n", "utf-8")
    return 0
