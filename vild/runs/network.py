"""The network that a recipe describes."""

import importlib
from pathlib import Path
from typing import Any

from vild.backbones.resnet import resnet
from vild.backends import keras
from vild.errors import InputError
from vild.layers import default_policy, set_batch_norm
from vild.model import ViLD
from vild.precision import policy_name, with_dtype
from vild.recipes import Model, Recipe
from vild.recipes.recipe import PARTS
from vild.runs.initial import load_initial
from vild.saving import load_detector


def make_network(recipe: Recipe, dim: int) -> ViLD:
    """A model as the recipe wants it, with its initial weights.

    Args:
        recipe: its `model`, `dtype` and `seed` count.
        dim: of the space that regions are embedded in.

    Returns:
        The model. The same recipe, the same weights, on one backend.

    Raises:
        InputError: for a backbone that cannot be made.
        CheckpointError: for initial weights that cannot be used.
    """
    wanted = recipe.model
    keras.utils.set_random_seed(recipe.seed)
    policy = policy_name(recipe.dtype)
    if wanted.backbone == "initial":
        model = _of_detector(str(wanted.initial_weights), dim, recipe)
    else:
        model = _made(wanted, dim, policy)
        if wanted.initial_weights is not None:
            load_initial(model, wanted.initial_weights)
    for part in PARTS:
        layer = getattr(model, part)
        # A detector that was trained with a frozen part says so in its file.
        if layer is not None:
            layer.trainable = part not in wanted.frozen
    set_batch_norm(model, wanted.batch_norm_momentum, wanted.share_batch_norm)
    return model


def _of_detector(source: str, dim: int, recipe: Recipe) -> ViLD:
    """The network of a detector directory, with its weights."""
    path = Path(source).expanduser()
    start = load_detector(path, dtype=recipe.dtype).model
    if start.config["dim"] != dim:
        raise InputError(
            f"The regions of {source!r} are embedded in {start.config['dim']} "
            f"dimensions, the classes in {dim}: they are of different teachers."
        )
    return with_dtype(start, recipe.dtype, masks=recipe.model.mask_convs is not None)


def _made(wanted: Model, dim: int, policy: str) -> ViLD:
    with default_policy(policy):
        backbone = _backbone(wanted.backbone, wanted.blocks, wanted.width)
    return ViLD(
        backbone,
        ensemble=wanted.ensemble,
        dim=dim,
        pyramid=wanted.pyramid,
        channels=wanted.channels,
        last_level=wanted.last_level,
        rpn_convs=wanted.rpn_convs,
        region_crop=wanted.region_crop,
        region_convs=wanted.region_convs,
        region_units=wanted.region_units,
        mask_convs=wanted.mask_convs,
        canonical_size=wanted.canonical_size,
        temperature=wanted.temperature,
        dtype=policy,
    )


def _backbone(wanted: int | str, blocks: tuple[int, ...], width: int) -> Any:
    if isinstance(wanted, int):
        return wanted
    if wanted == "resnet":
        return resnet(blocks=blocks, width=width)
    home, _, name = wanted.partition(":")
    try:
        return getattr(importlib.import_module(home), name)()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"The backbone {wanted!r} cannot be made ({error}): name an importable "
            "package.module:function that takes no arguments."
        ) from error
