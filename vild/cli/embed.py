"""`vild embed`: a teacher's vectors of the crops of a dataset."""

import argparse
from typing import Any

from vild.cli import options


def add_command(commands: Any) -> None:
    """Adds `vild embed`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "embed",
        help="embed the crops of a dataset by a teacher",
        description="Encodes the crops of boxes by a teacher, 1 and 1.5 times the box "
        "summed, into a store. If the work is cut off, the same command goes on where "
        "it stopped; images that failed are tried again. The store is the same "
        "whatever the engine and the number of workers.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "dataset", metavar="DATASET", help="KIND:PATH, as for `vild convert`"
    )
    parser.add_argument(
        "--proposals",
        required=True,
        metavar="STORE",
        help="boxes, as `vild proposals` writes them",
    )
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="T",
        help="e.g. open_clip:ViT-B-32/openai or open_clip:ViT-B-32/FILE",
    )
    parser.add_argument(
        "--out", required=True, metavar="STORE", help="folder of the store"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="processes of this machine, or a cluster of Ray (default: local)",
    )
    parser.add_argument(
        "--workers",
        type=options.count,
        default=1,
        metavar="N",
        help="processes, each with a teacher of its own (default: 1)",
    )
    parser.add_argument(
        "--threads",
        type=options.count,
        metavar="N",
        help="that make crops in each process (default: the processors, shared out)",
    )
    parser.add_argument(
        "--batch-size",
        type=options.count,
        default=128,
        metavar="N",
        help="crops that are encoded together (default: 128)",
    )
    parser.add_argument(
        "--ground-truth",
        action="store_true",
        help="put the dataset's own boxes of base categories first",
    )
    parser.add_argument(
        "--dtype",
        default="float16",
        metavar="D",
        help="store float16 or float32 (default: float16)",
    )
    parser.add_argument(
        "--encode-dtype",
        metavar="D",
        help="what the teacher encodes in, e.g. float32 (default: what is fastest on "
        "this device)",
    )
    parser.add_argument(
        "--images-per-shard",
        type=options.count,
        default=64,
        metavar="N",
        help="images that share a file, which is what a kill costs (default: 64)",
    )
    parser.add_argument(
        "--part",
        type=part,
        default=(0, 1),
        metavar="I/N",
        help="make every N-th shard only, from I on, 0/N to N-1/N; "
        "`vild store merge` puts the parts together",
    )


def part(text: str) -> tuple[int, int]:
    """Reads which part of a store to make.

    Args:
        text: two whole numbers, as in `0/4`.

    Returns:
        Both.

    Raises:
        ArgumentTypeError: if it is something else.

    Example:
        >>> part("3/4")
        (3, 4)
    """
    first, _, count = text.partition("/")
    if not first.isdecimal() or not count.isdecimal() or int(first) >= int(count):
        raise argparse.ArgumentTypeError(f"not I/N from 0/N to N-1/N: {text!r}")
    return int(first), int(count)


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild embed`.

    Args:
        arguments: of the command's parser.

    Returns:
        0.

    Raises:
        VildError: if something cannot be read or written, or the teacher cannot be
            used.
    """
    from vild.embedding import embed

    store = embed(
        arguments.dataset,
        arguments.proposals,
        arguments.teacher,
        arguments.out,
        engine=arguments.engine,
        workers=arguments.workers,
        threads=arguments.threads,
        batch_size=arguments.batch_size,
        ground_truth=arguments.ground_truth,
        dtype=arguments.dtype,
        encode_dtype=arguments.encode_dtype,
        images_per_shard=arguments.images_per_shard,
        part=arguments.part,
    )
    failed = f", {len(store.failures)} images failed" if store.failures else ""
    print(
        f"{int(store.counts.sum())} boxes of {len(store)} images of "
        f"{store.header['dataset']['name']} are embedded in {arguments.out}{failed}"
    )
    return 0
