"""Whether a dataset has what a recipe needs."""

import warnings
from typing import Any

from vild.data.dataset import Dataset
from vild.data.stores import EmbeddingStore
from vild.errors import InputError
from vild.recipes import Recipe
from vild.runs.classes import TrainingClasses


def check_examples(dataset: Dataset, recipe: Recipe, classes: TrainingClasses) -> None:
    """Tells at once what would stop the training later.

    Args:
        dataset: to learn from; its first example is looked at.
        recipe: any.
        classes: of `training_classes`.

    Raises:
        InputError: if the recipe needs what the examples do not have.
        DataError: if the first example cannot be read.
    """
    if len(dataset) == 0:
        raise InputError(f"The dataset {dataset.name!r} has no images to train on.")
    example = dataset[0]
    if recipe.distils and example.roi_features is None:
        raise InputError(
            f"The recipe {recipe.name!r} distils a teacher, but the images of "
            f"{dataset.name!r} have no regions with its embeddings: make them by "
            "`vild embed` and name them by --regions, let `vild distill` do all that, "
            "or train without by the recipe vild-text."
        )
    if recipe.distils and example.roi_features is not None:
        dim = example.roi_features.shape[-1]
        if len(example.roi_features) and dim != classes.rows.shape[1]:
            raise InputError(
                f"The regions of {dataset.name!r} have embeddings of {dim} numbers, "
                f"the classes of {classes.rows.shape[1]}: they are of different "
                "teachers."
            )
    masks = recipe.model.mask_convs is not None
    if masks and len(example) and example.packed_masks is None:
        raise InputError(
            f"The recipe {recipe.name!r} learns masks, but the objects of "
            f"{dataset.name!r} have none: add --set model.mask_convs=none."
        )
    if recipe.inputs.copy_paste and len(example) and example.packed_masks is None:
        raise InputError(
            f"The recipe {recipe.name!r} pastes objects along their masks, but "
            f"those of {dataset.name!r} have none: add --set inputs.copy_paste=0."
        )


def warn_of_failed(store: EmbeddingStore) -> None:
    """Counts the images that cannot be distilled from, in one warning.

    Args:
        store: that a training reads.
    """
    if store.failures:
        first = next(image_id for image_id in store if image_id in store.failures)
        warnings.warn(
            f"{len(store.failures)} of {len(store)} images have no embeddings in "
            f"{str(store.path)!r}, the first of them image {first}: "
            f"{store.failures[first]} They are trained on without distillation. The "
            "same `vild embed` tries them again; a training that has begun does not "
            "go on with the mended store, so do it first.",
            stacklevel=3,
        )


def embeddings_facts(store: EmbeddingStore) -> dict[str, Any]:
    """What a detector says of the embeddings that it was distilled from.

    Args:
        store: that its training read.

    Returns:
        What identifies them, and how many there are; JSON-serialisable.
    """
    return {
        "fingerprint": store.fingerprint,
        "teacher": store.teacher,
        "boxes": int(store.counts.sum()),
        "failed images": len(store.failures),
    }


def warn_of_schedule(recipe: Recipe) -> None:
    """Warns of rates that are never reached, since several batches make one step.

    Args:
        recipe: any.
    """
    made = recipe.steps // recipe.optimizer.accumulate
    late = [step for step in recipe.optimizer.boundaries if step >= made]
    if recipe.optimizer.accumulate > 1 and late:
        warnings.warn(
            f"optimizer.accumulate={recipe.optimizer.accumulate} makes {made} updates "
            f"of the {recipe.steps} batches, but optimizer.boundaries counts updates: "
            f"the rates from {late[0]} on are never reached. Set steps to "
            f"{recipe.steps * recipe.optimizer.accumulate} for as many updates as "
            "before.",
            stacklevel=3,
        )
