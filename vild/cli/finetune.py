"""`vild finetune`: a detector and a dataset of your own -> a detector for both."""

import argparse
from typing import TYPE_CHECKING, Any

from vild.cli import options
from vild.cli.training_options import add_training
from vild.errors import InputError

if TYPE_CHECKING:
    from vild.detector import Detector

_PARTS = "backbone, fpn, rpn, region, mask"


def add_command(commands: Any) -> None:
    """Adds `vild finetune`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "finetune",
        help="teach a detector classes of your own; it keeps its open vocabulary",
        description="Trains a detector on a dataset of your own. It keeps imitating "
        "its teacher meanwhile, may be shown old images too, and is measured before "
        "and after. If the work is cut off, the same command goes on where it stopped.",
        epilog="All categories of the dataset are learned. What has no label there may "
        "be of any class that the dataset does not have.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", metavar="MODEL", help="preset or detector directory")
    parser.add_argument("dataset", metavar="DATASET", help="to learn from, KIND:PATH")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of it all")
    parser.add_argument(
        "--checkpoint", metavar="C", help="a released checkpoint for the preset"
    )
    parser.add_argument(
        "--teacher",
        metavar="SPEC",
        help="encodes crops and words (default: that of the detector)",
    )
    parser.add_argument(
        "--steps", type=options.count, metavar="N", help="of the training"
    )
    parser.add_argument(
        "--freeze",
        metavar="PARTS",
        help=f"what is not trained, of {_PARTS}, with commas between; none for nothing "
        "(default: backbone,fpn,rpn)",
    )
    parser.add_argument(
        "--no-distillation",
        action="store_true",
        help="learn from labels only; much of the open vocabulary is then lost",
    )
    parser.add_argument(
        "--embeddings", metavar="STORE", help="of DATASET, as `vild embed` writes them"
    )
    _add_replay(parser)
    _add_measures(parser)
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
    parser.add_argument(
        "--show-recipe", action="store_true", help="print the recipe and do nothing"
    )
    add_training(parser)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("replay", "Old images among the new ones.")
    group.add_argument("--replay", metavar="DATASET", help="where they come from")
    group.add_argument(
        "--replay-share",
        type=float,
        default=0.5,
        metavar="X",
        help="of the images that are shown, so many are old ones (default: 0.5)",
    )
    group.add_argument(
        "--replay-images",
        type=options.count,
        default=1000,
        metavar="N",
        help="at most so many of them, by chance (default: 1000)",
    )
    group.add_argument(
        "--replay-embeddings",
        metavar="STORE",
        help="of all images of the replayed dataset, if there is one",
    )


def _add_measures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measure",
        action="append",
        default=[],
        metavar="DATASET",
        help="measure on it before and after; may be given several times. So are the "
        "dataset of --val, and images of the replayed dataset that are not replayed",
    )
    parser.add_argument(
        "--measure-images",
        type=options.count,
        metavar="N",
        help="only the first N of each (default: all; 200 of the replayed dataset)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild finetune`.

    Args:
        arguments: of the command's parser.

    Returns:
        0; 130 if it was asked to stop.

    Raises:
        VildError: if something cannot be made or cannot go on.
    """
    from vild.data import finding

    # What can be known at once, before a framework is loaded.
    frozen = _parts(arguments.freeze)
    dataset = finding.get(arguments.dataset)
    replay = None if arguments.replay is None else finding.get(arguments.replay)
    validation = None if arguments.val is None else finding.get(arguments.val)
    measured = [finding.get(spec) for spec in arguments.measure]
    if validation is not None:
        measured.insert(0, validation)
    from vild.finetuning import finetune
    from vild.pretrained import load_pretrained
    from vild.runs.looking import look_at

    detector = load_pretrained(arguments.model, arguments.checkpoint)
    recipe = _recipe(detector, arguments, frozen)
    if arguments.show_recipe:
        import json

        print(json.dumps(recipe.as_dict(), indent=2))
        return 0
    look = None if validation is None else look_at(validation, arguments.val_images)
    try:
        finetune(
            detector,
            dataset,
            out=arguments.out,
            teacher=arguments.teacher,
            recipe=recipe,
            replay=replay,
            replay_share=arguments.replay_share,
            replay_images=arguments.replay_images,
            embeddings=arguments.embeddings,
            replay_embeddings=arguments.replay_embeddings,
            measure_on=measured,
            measure_images=arguments.measure_images,
            engine=arguments.engine,
            embed_workers=arguments.embed_workers,
            look=look,
            devices=arguments.devices,
            threads=arguments.threads,
            workers=arguments.workers,
        )
    except KeyboardInterrupt as stopped:
        print(f"vild finetune: {stopped or 'stopped; the same command goes on'}")
        return 130
    print(
        f"The detector is in {arguments.out}/detector: "
        f"vild detect PHOTO --model {arguments.out}/detector --classes ..."
    )
    return 0


def _parts(text: str | None) -> tuple[str, ...] | None:
    """Parts of a network, as they are written.

    Example:
        >>> _parts("backbone,rpn"), _parts("none"), _parts(None)
        (('backbone', 'rpn'), (), None)
    """
    if text is None:
        return None
    if text.strip().lower() == "none":
        return ()
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _recipe(
    detector: "Detector", arguments: argparse.Namespace, frozen: tuple[str, ...] | None
) -> Any:
    from vild.finetuning import recipe_for
    from vild.recipes import changed

    changes = list(arguments.changes)
    if arguments.no_distillation:
        if detector.model.config["ensemble"]:
            raise InputError(
                "The image branch of an ensemble learns by distillation alone: leave "
                "--no-distillation out."
            )
        changes.append("losses.distill_weight=0")
    return changed(recipe_for(detector, steps=arguments.steps, frozen=frozen), changes)
