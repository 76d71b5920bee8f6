"""The first stage of a recipe that distils: what finds the boxes to look at."""

import dataclasses

from vild.recipes.recipe import Classes, Recipe

# What a first stage takes of the steps; the number is ours.
_SHARE = 5
_KEPT_FROZEN = ("backbone", "fpn")  # all else must learn


def first_stage(recipe: Recipe) -> Recipe:
    """A recipe for class-agnostic proposals, of the size of another recipe.

    Network, images, batch and rates are those of the recipe; but there is one class,
    "object", against the background, no image branch, no masks, and a fifth of the
    steps.

    Args:
        recipe: what the proposals are for.

    Returns:
        The recipe of the first stage.

    Example:
        >>> from vild.recipes import get_recipe
        >>> stage = first_stage(get_recipe("r50-ensemble"))
        >>> stage.steps, stage.classes.agnostic, stage.model.mask_convs
        (36000, True, None)

    Source: paper section 3.1.
    """
    steps = max(1, recipe.steps // _SHARE)
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}, first stage",
        about="class-agnostic proposals from base classes",
        model=dataclasses.replace(
            recipe.model,
            ensemble=False,
            mask_convs=None,
            frozen=tuple(p for p in recipe.model.frozen if p in _KEPT_FROZEN),
        ),
        classes=Classes(
            classifier="learned",
            novel="absent",
            agnostic=True,
            held_out=recipe.classes.held_out,
        ),
        losses=dataclasses.replace(recipe.losses, distill_weight=0.0, class_weight=1.0),
        optimizer=dataclasses.replace(
            recipe.optimizer,
            warmup=min(recipe.optimizer.warmup, steps // 2),
            boundaries=tuple(b // _SHARE for b in recipe.optimizer.boundaries),
        ),
        steps=steps,
    )
