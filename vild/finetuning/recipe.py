"""The recipe that follows from a detector: its own, but shorter and gentler."""

import dataclasses
from collections.abc import Sequence

from vild.detector import Detector
from vild.errors import VildError
from vild.recipes import (
    Classes,
    Inputs,
    Losses,
    Model,
    Optimizer,
    Recipe,
    recipe_from,
)

FROZEN = ("backbone", "fpn", "rpn")
"""What is not trained unless asked otherwise: what finds objects of any kind."""

# Of the rate a detector was trained with. These numbers are ours; see the docs for
# what was measured.
_GENTLER = 0.1
_SHARE = 10  # of its steps, one in so many
_STEPS = (100, 2000)
_BATCH = 16
_MARK = ", fine-tuned"
_WEIGHT = 0.5  # of the distillation loss, where the detector had none


def recipe_for(
    detector: Detector,
    *,
    steps: int | None = None,
    frozen: Sequence[str] | None = None,
) -> Recipe:
    """A recipe to fine-tune a detector by.

    Network, images and losses are those that the detector says it was trained with, or
    else those of the released detectors. Distillation is on. There are a tenth of the
    steps, 100 to 2000, at a tenth of the rate, which is lowered to a tenth for the last
    fifth. The batch is of 16 images at most. A detector that was fine-tuned before is
    fine-tuned by the steps, rate and batch of that time; the rest is decided anew.

    Args:
        detector: any.
        steps: how many, if not so.
        frozen: parts that are not trained; None: `FROZEN`.

    Returns:
        The recipe; `vild.recipes.changed` changes it.

    Raises:
        InputError: for steps or parts that make no sense.

    Example:
        >>> recipe_for(detector, steps=500).optimizer.warmup
        50
    """
    before = _told(detector)
    if "fine-tuned from" in detector.provenance:  # as gently as the last time
        steps = before.steps if steps is None else steps
        batch, gentle = before.batch_size, before.optimizer
    else:
        low, high = _STEPS
        steps = min(max(before.steps // _SHARE, low), high) if steps is None else steps
        batch = min(before.batch_size, _BATCH)
        gentle = dataclasses.replace(
            before.optimizer, rate=before.optimizer.rate * _GENTLER, accumulate=1
        )
    weight = before.losses.distill_weight or _WEIGHT
    made = Recipe(
        name=f"{before.name.removesuffix(_MARK)}{_MARK}",
        about="new classes for a detector that keeps its open vocabulary",
        model=_model(detector, FROZEN if frozen is None else tuple(frozen)),
        inputs=before.inputs,
        classes=Classes(
            novel="absent",
            held_out=False,
            partial=True,
            templates=before.classes.templates,
        ),
        # One that only imitated its teacher learns from labels now.
        losses=dataclasses.replace(
            before.losses,
            distill_weight=weight,
            class_weight=before.losses.class_weight or 1.0,
        ),
        batch_size=batch,
        dtype=before.dtype,
        seed=before.seed,
        settings=_settings(detector),
    )
    return _timed(made, steps, gentle)


def fitted(recipe: Recipe, detector: Detector, masks: bool) -> Recipe:
    """A recipe that begins with a detector.

    Args:
        recipe: any.
        detector: what is fine-tuned.
        masks: whether masks are there to learn from.

    Returns:
        The recipe with the detector's network.
    """
    model = _model(detector, recipe.model.frozen)
    keep_masks = masks and recipe.model.mask_convs is not None
    model = dataclasses.replace(
        model,
        mask_convs=model.mask_convs if keep_masks else None,
        batch_norm_momentum=recipe.model.batch_norm_momentum,
        share_batch_norm=recipe.model.share_batch_norm,
    )
    inputs = recipe.inputs
    if not masks:  # objects are cut out along their masks
        inputs = dataclasses.replace(inputs, copy_paste=0.0)
    return dataclasses.replace(recipe, model=model, inputs=inputs)


def _told(detector: Detector) -> Recipe:
    """The recipe that a detector was trained by, as far as it says so."""
    told = detector.provenance.get("recipe")
    if isinstance(told, dict):
        try:
            return recipe_from(told)
        except VildError:
            pass  # of another version: what follows from the network must do
    size = detector.settings.image_size
    return Recipe("released", inputs=Inputs(image_size=size), losses=Losses())


def _timed(recipe: Recipe, steps: int, optimizer: Optimizer) -> Recipe:
    """The recipe with so many steps, and rates and statistics that go with them."""
    rate = optimizer.rate
    updates = max(1, steps // optimizer.accumulate)
    return dataclasses.replace(
        recipe,
        optimizer=dataclasses.replace(
            optimizer,
            warmup=updates // 10,
            start=rate / 10,
            boundaries=(updates * 4 // 5,),
            rates=(rate / 10,),
        ),
        model=dataclasses.replace(
            recipe.model, batch_norm_momentum=min(0.997, max(0.9, 1 - 10 / steps))
        )
        if steps > 0
        else recipe.model,
        steps=steps,
        save_every=max(1, steps // 5),
    )


def _model(detector: Detector, frozen: tuple[str, ...]) -> Model:
    """The network of a detector, as a recipe has it."""
    config = detector.model.config
    return Model(
        backbone="initial",
        ensemble=config["ensemble"],
        pyramid=config["pyramid"],
        channels=config["channels"],
        last_level=config["last_level"],
        rpn_convs=config["rpn_convs"],
        canonical_size=config["canonical_size"],
        temperature=config["temperature"],
        region_crop=config["region_crop"],
        region_convs=config["region_convs"],
        region_units=tuple(config["region_units"]),
        mask_convs=config["mask_convs"],
        dim=config["dim"],
        initial_weights="start",  # in the folder of the fine-tuning
        frozen=frozen,
    )


def _settings(detector: Detector) -> dict[str, object]:
    settings = detector.settings.as_dict()
    settings.pop("dtype")
    return settings
