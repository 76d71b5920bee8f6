"""Trainer and batches of a recipe, for `train` and for loops of one's own."""

from typing import Any

from vild.data.batches import Batches, InputSettings
from vild.data.dataset import Dataset
from vild.recipes import Recipe
from vild.replicas import Replicas
from vild.runs.classes import TrainingClasses
from vild.runs.network import make_network
from vild.training.learner import Learner
from vild.training.optimizer import Adam, Momentum, WarmupSteps
from vild.training.trainer import Trainer


def prepare(
    recipe: Recipe,
    dataset: Dataset,
    classes: TrainingClasses,
    replicas: Replicas,
    *,
    compiled: bool | None = None,
    threads: int | None = None,
    workers: int = 0,
) -> tuple[Trainer, Batches]:
    """What `fit` takes: a compiled trainer and its batches.

    For those who write their own loop; `train` does everything else. To be called
    inside `kernels.devices`.

    Args:
        recipe: any.
        dataset: to learn from.
        classes: of `training_classes`.
        replicas: what `kernels.devices` gave.
        compiled: whether XLA compiles the step; None: as suits the backend.
        threads: that make batches; None for one per processor.
        workers: processes that make batches; 0 for none beside this one.

    Returns:
        The trainer, with its optimiser built, and the batches.

    Raises:
        InputError: for settings that do not fit together.
    """
    model = make_network(recipe, classes.rows.shape[1])
    learner = Learner(
        model,
        classes.rows,
        classes.base,
        recipe.losses,
        learn_rows=classes.vocabulary is None,
        batch_size=replicas.program_batch(recipe.batch_size),
    )
    trainer = Trainer(learner)
    trainer.compile(
        optimizer=make_optimizer(recipe),
        jit_compile=replicas.compiled if compiled is None else compiled,
    )
    trainer.optimizer.build(trainer.trainable_variables)
    inputs = recipe.inputs
    settings = InputSettings(
        image_size=inputs.image_size,
        flip=inputs.flip,
        scale=inputs.scale,
        max_objects=inputs.max_objects,
        masks=recipe.model.mask_convs is not None,
        max_rois=inputs.max_rois,
        distill=recipe.distils,
        copy_paste=inputs.copy_paste,
        classes=len(classes.rows) if recipe.classes.partial else None,
        multiple=2**recipe.model.last_level,
    )
    batches = Batches(
        dataset,
        classes.labels,
        settings,
        recipe.batch_size,
        recipe.seed,
        shard=(replicas.index, replicas.processes),
        threads=threads,
        workers=workers,
    )
    return trainer, batches


def make_optimizer(recipe: Recipe) -> Any:
    """The optimiser of a recipe, with its schedule.

    Args:
        recipe: any.

    Returns:
        A Keras optimiser, not built.
    """
    accumulate = recipe.optimizer.accumulate
    kind = {"momentum": Momentum, "adam": Adam}[recipe.optimizer.kind]
    return kind(
        schedule(recipe),
        recipe.optimizer.momentum,  # Adam's beta_1
        # Always the same: Keras counts optimisers without a name, and checkpoints
        # know variables by it.
        name=recipe.optimizer.kind,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
    )


def schedule(recipe: Recipe) -> WarmupSteps:
    """The learning rate of a recipe, for its batch size.

    Args:
        recipe: any.

    Returns:
        From a step to the rate.
    """
    wanted, scale = recipe.optimizer, recipe.rate_scale
    return WarmupSteps(
        wanted.rate * scale,
        wanted.warmup,
        wanted.start * scale,
        wanted.boundaries,
        [rate * scale for rate in wanted.rates],
    )
