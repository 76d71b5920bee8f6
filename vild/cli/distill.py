"""`vild distill`: a recipe, a dataset and a teacher -> a detector directory."""

import argparse
from typing import Any

from vild.cli import options
from vild.cli.training_options import add_training


def add_command(commands: Any) -> None:
    """Adds `vild distill`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "distill",
        help="train an open-vocabulary detector, with all that this needs",
        description="Trains a detector of any object, lets it propose boxes, embeds "
        "their crops by a teacher, and trains a detector on labels and embeddings. "
        "What is done is skipped. If the work is cut off, the same command goes on "
        "where it stopped.",
        epilog="`vild train` alone lists the recipes.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("recipe", metavar="RECIPE", help="its name, e.g. r50-ensemble")
    parser.add_argument("dataset", metavar="DATASET", help="to learn from, KIND:PATH")
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="SPEC",
        help="e.g. open_clip:ViT-B-32/openai, or shapes for drawn objects",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of it all")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be done, what is there, and measured guesses of time "
        "and disk; write nothing",
    )
    boxes = parser.add_argument_group(
        "boxes", "Where they come from, if not from a first stage: one of these."
    )
    boxes = boxes.add_mutually_exclusive_group()
    boxes.add_argument(
        "--proposals", metavar="STORE", help="boxes, as `vild proposals` writes them"
    )
    boxes.add_argument(
        "--embeddings", metavar="STORE", help="embeddings, as `vild embed` writes them"
    )
    boxes.add_argument(
        "--detector",
        metavar="MODEL",
        help="a preset, a detector directory, or boxes of your own, a .json",
    )
    boxes.add_argument(
        "--first-stage",
        metavar="RECIPE",
        help="its recipe (default: cut to fit RECIPE, with a fifth of the steps)",
    )
    parser.add_argument(
        "--count",
        type=options.count,
        metavar="N",
        help="boxes per image, at most (default: as many as the recipe looks at)",
    )
    parser.add_argument(
        "--ground-truth",
        action="store_true",
        help="embed the dataset's own boxes of base categories too",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="that embeds: this machine, or a cluster of Ray (default: local)",
    )
    parser.add_argument(
        "--embed-workers",
        type=options.count,
        default=1,
        metavar="N",
        help="processes that embed, each with a teacher of its own (default: 1)",
    )
    add_training(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild distill`.

    Args:
        arguments: of the command's parser.

    Returns:
        0; 130 if it was asked to stop.

    Raises:
        VildError: if something cannot be made or cannot go on.
    """
    from vild.data import finding
    from vild.recipes import changed, get_recipe

    # What can be known at once, before a framework is loaded.
    what: dict[str, Any] = {
        "recipe": changed(get_recipe(arguments.recipe), arguments.changes),
        "teacher": arguments.teacher,
        "out": arguments.out,
        "proposals": arguments.proposals,
        "embeddings": arguments.embeddings,
        "detector": arguments.detector,
        "first_stage": arguments.first_stage,
        "count": arguments.count,
        "ground_truth": arguments.ground_truth,
    }
    dataset = finding.get(arguments.dataset)
    validation = None if arguments.val is None else finding.get(arguments.val)
    if arguments.dry_run:
        from vild.distillation import make_plan

        print(make_plan(dataset, **what))
        return 0
    from vild.distillation import distill
    from vild.runs.looking import look_at

    look = None if validation is None else look_at(validation, arguments.val_images)
    try:
        distill(
            dataset,
            **what,
            engine=arguments.engine,
            embed_workers=arguments.embed_workers,
            look=look,
            devices=arguments.devices,
            threads=arguments.threads,
            workers=arguments.workers,
        )
    except KeyboardInterrupt as stopped:
        print(f"vild distill: {stopped or 'stopped; the same command goes on'}")
        return 130
    print(
        f"The detector is in {arguments.out}/detector: "
        f"vild detect PHOTO --model {arguments.out}/detector --classes ..."
    )
    return 0
