"""`vild train`: a recipe and a dataset -> a detector directory."""

import argparse
from typing import Any

from vild.cli.training_options import add_training
from vild.errors import InputError


def add_command(commands: Any) -> None:
    """Adds `vild train`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "train",
        help="train a detector by a recipe",
        description="Trains a detector. If the work is cut off, the same command goes "
        "on where the last checkpoint stands. `vild train` alone lists the recipes.",
        epilog="On PyTorch several devices are started by "
        "`torchrun --nproc-per-node=N -m vild train ...`.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="its name")
    parser.add_argument(
        "dataset", metavar="DATASET", nargs="?", help="to learn from, KIND:PATH"
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the training")
    parser.add_argument(
        "--teacher", metavar="SPEC", help="encodes the classes' names, e.g. shapes"
    )
    parser.add_argument(
        "--regions",
        metavar="STORE",
        help="embeddings to distil, as `vild embed` writes them",
    )
    add_training(parser)
    parser.add_argument(
        "--show-recipe", action="store_true", help="print the recipe and do nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild train`.

    Args:
        arguments: of the command's parser.

    Returns:
        0; 130 if it was asked to stop.

    Raises:
        VildError: if the training cannot be made or cannot go on.
    """
    from vild.recipes import changed, get_recipe

    if arguments.recipe is None:
        print(recipe_table())
        return 0
    recipe = changed(get_recipe(arguments.recipe), arguments.changes)
    if arguments.show_recipe:
        _show(recipe)
        return 0
    for what, value in (("DATASET", arguments.dataset), ("--out DIR", arguments.out)):
        if value is None:
            raise InputError(f"vild train needs {what}: see `vild train --help`.")
    from vild.data import finding

    # What can be known at once, before a framework is loaded.
    dataset = finding.get(arguments.dataset)
    if arguments.regions is not None:
        from vild.data.stores import WithRegions

        dataset = WithRegions(dataset, arguments.regions)
    validation = None if arguments.val is None else finding.get(arguments.val)
    from vild.runs.looking import look_at
    from vild.runs.run import train

    look = None if validation is None else look_at(validation, arguments.val_images)
    try:
        train(
            recipe,
            dataset,
            arguments.out,
            teacher=arguments.teacher,
            look=look,
            devices=arguments.devices,
            threads=arguments.threads,
            workers=arguments.workers,
        )
    except KeyboardInterrupt as stopped:
        print(f"vild train: {stopped or 'stopped'}")
        return 130
    print(
        f"The detector is in {arguments.out}/detector: "
        f"vild detect PHOTO --model {arguments.out}/detector --classes ..."
    )
    return 0


def recipe_table() -> str:
    """The recipes, a line each.

    Returns:
        Names and what they are for.
    """
    from vild.recipes import RECIPES

    made = {name: make() for name, make in RECIPES.items()}
    width = max(map(len, made))
    return "\n".join(f"{name:{width}}  {recipe.about}" for name, recipe in made.items())


def _show(recipe: Any) -> None:
    import inspect
    import json

    from vild.recipes import RECIPES

    if recipe.name in RECIPES:
        print(inspect.getdoc(RECIPES[recipe.name]), end="\n\n")
    print(json.dumps(recipe.as_dict(), indent=2))
