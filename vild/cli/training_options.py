"""Options that every command which trains has."""

import argparse


def add_training(parser: argparse.ArgumentParser) -> None:
    """Adds what every training takes.

    Args:
        parser: of a command.
    """
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        dest="changes",
        help="change a value of the recipe, e.g. losses.distill_weight=1 or "
        "batch_size=16; may be given several times",
    )
    parser.add_argument(
        "--val", metavar="DATASET", help="looked at after each round (box AP)"
    )
    parser.add_argument(
        "--val-images", type=int, metavar="N", help="only the first N of them"
    )
    parser.add_argument(
        "--devices",
        type=int,
        metavar="N",
        help="how many share each batch (default: all there are)",
    )
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="that read images (2)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that read images (0: none beside this one)",
    )
