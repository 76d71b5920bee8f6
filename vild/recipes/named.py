"""The recipes by name. Each says where it comes from, and what to expect."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping

from vild.errors import InputError
from vild.recipes.losses import Losses
from vild.recipes.recipe import Classes, Model, Recipe
from vild.recipes.stages import first_stage
from vild.recipes.stickers import (
    stickers_ensemble,
    stickers_rpn,
    stickers_supervised,
    stickers_text,
    stickers_vild,
)
from vild.recipes.tiny import tiny, tiny_ensemble, tiny_image, tiny_rpn, tiny_vild


def r50() -> Recipe:
    """ViLD with ResNet-50, one branch.

    Source: released configuration and published table (distillation weight 0.5).
    Command: `vild train r50 lvis:lvis_v1_train.json --regions STORE --teacher
    open_clip:ViT-B-32/openai --out runs/r50`; `vild distill` makes the store too.
    Hardware: batch 256 at 1024 pixels; the release trained on TPU pods. With less
    memory set `batch_size` (rates follow), or `optimizer.accumulate` with `steps` as
    many times as large.
    Expected: LVIS v1 mask AP 22.5, APr 16.6 (published; not measured here).
    """
    return Recipe("r50", "released ViLD, ResNet-50", Model(ensemble=False))


def r50_ensemble() -> Recipe:
    """ViLD-ensemble with ResNet-50.

    Source: released configuration and published table (distillation weight 0.5).
    Command: `vild train r50-ensemble lvis:lvis_v1_train.json --out runs/r50e
    --regions STORE --teacher open_clip:ViT-B-32/openai`.
    Hardware: as for `r50`, with some 15 % more memory.
    Expected: LVIS v1 mask AP 25.9, APr 18.0 (published; not measured here).
    """
    return Recipe("r50-ensemble", "released ViLD-ensemble, ResNet-50")


def r152() -> Recipe:
    """ViLD with ResNet-152, one branch.

    Source: released configuration and published table (distillation weight 1.0).
    Command: `vild train r152 lvis:lvis_v1_train.json --out runs/r152
    --regions STORE --teacher open_clip:ViT-B-32/openai`.
    Hardware: as for `r50`, at about twice the time.
    Expected: LVIS v1 mask AP 24.0, APr 19.6 (published; not measured here).
    """
    return Recipe(
        "r152",
        "released ViLD, ResNet-152",
        Model(backbone=152, ensemble=False),
        losses=Losses(distill_weight=1.0),
    )


def r152_ensemble() -> Recipe:
    """ViLD-ensemble with ResNet-152.

    Source: released configuration and published table (distillation weight 2.0).
    Command: `vild train r152-ensemble lvis:lvis_v1_train.json --out runs/r152e
    --regions STORE --teacher open_clip:ViT-B-32/openai`.
    Hardware: as for `r152`.
    Expected: LVIS v1 mask AP 26.2, APr 19.2 (published; not measured here).
    """
    return Recipe(
        "r152-ensemble",
        "released ViLD-ensemble, ResNet-152",
        Model(backbone=152),
        losses=Losses(distill_weight=2.0),
    )


def vild_text() -> Recipe:
    """ViLD-text: classes are texts, and nothing is distilled.

    Source: paper section 3.2, table 3; other settings are those of `r50`.
    Command: `vild train vild-text lvis:lvis_v1_train.json --out runs/text --teacher
    open_clip:ViT-B-32/openai`.
    Hardware: as for `r50`; no proposals and embeddings are needed.
    Expected: LVIS v1 mask APr 10.1, AP 24.9 (published; not measured here).
    """
    return Recipe(
        "vild-text",
        "text classifier without distillation",
        Model(ensemble=False),
        losses=Losses(distill_weight=0.0),
    )


def vild_image() -> Recipe:
    """ViLD-image: regions imitate the teacher, and learn no class.

    The RPN, boxes and masks are trained as always. The background's vector stays where
    chance put it, and hardly competes.

    Source: paper section 3.3, table 3; other settings are those of `r50`.
    Command: `vild train vild-image lvis:lvis_v1_train.json --out runs/image
    --regions STORE --teacher open_clip:ViT-B-32/openai`.
    Hardware: as for `r50`.
    Expected: LVIS v1 mask APr 11.2, AP 11.2 (from the paper; not measured here).
    """
    return Recipe(
        "vild-image",
        "distillation without a class loss",
        Model(ensemble=False),
        losses=Losses(distill_weight=1.0, class_weight=0.0),
    )


def supervised() -> Recipe:
    """A closed-set detector of the base classes: the paper's first baseline.

    `--set classes.held_out=false` trains all classes: its upper baseline.

    Source: paper table 3 ("Supervised").
    Command: `vild train supervised lvis:lvis_v1_train.json --out runs/supervised`.
    Hardware: as for `r50`.
    Expected: LVIS v1 mask APr 0.0, AP 22.5 (from the paper; not measured here).
    """
    return Recipe(
        "supervised",
        "closed set of base classes, learned classifier",
        Model(ensemble=False),
        classes=Classes(classifier="learned", novel="absent"),
        losses=Losses(distill_weight=0.0),
    )


def rpn() -> Recipe:
    """Class-agnostic proposals from base classes: the paper's first stage.

    One class, "object", against the background, and its boxes; no masks. What it finds
    are the proposals that the teacher looks at.

    Source: paper section 3.1.
    Command: `vild train rpn lvis:lvis_v1_train.json --out runs/rpn`.
    Hardware: as for `r50`, at about two thirds of the time. A fifth of the steps is
    enough for proposals; the number is ours.
    Expected: the paper reports AR@300 of novel classes near that of base classes.
    """
    stage = first_stage(r50())
    return dataclasses.replace(stage, name="rpn")


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    "r50": r50,
    "r50-ensemble": r50_ensemble,
    "r152": r152,
    "r152-ensemble": r152_ensemble,
    "vild-text": vild_text,
    "vild-image": vild_image,
    "supervised": supervised,
    "rpn": rpn,
    "tiny": tiny,
    "tiny-vild": tiny_vild,
    "tiny-ensemble": tiny_ensemble,
    "tiny-image": tiny_image,
    "tiny-rpn": tiny_rpn,
    "stickers-text": stickers_text,
    "stickers-vild": stickers_vild,
    "stickers-ensemble": stickers_ensemble,
    "stickers-supervised": stickers_supervised,
    "stickers-rpn": stickers_rpn,
}
"""Name -> what makes the recipe; its docstring tells source, command, hardware and
expected result."""


def get_recipe(recipe: str | Recipe) -> Recipe:
    """A recipe by its name.

    Args:
        recipe: a name; or a recipe, which is given back.

    Returns:
        The recipe.

    Raises:
        InputError: for an unknown name.

    Example:
        >>> get_recipe("r50-ensemble").steps
        180000
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        near = difflib.get_close_matches(str(recipe), RECIPES, 1)
        hint = (
            f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}."
        )
        raise InputError(f"There is no recipe {recipe!r}: {hint}")
    made = RECIPES[recipe]()
    return dataclasses.replace(made, name=recipe)
