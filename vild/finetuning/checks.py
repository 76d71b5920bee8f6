"""Whether a detector, a dataset and a recipe make a fine-tuning."""

import itertools

from vild.data import finding
from vild.data.dataset import Dataset
from vild.detector import Detector
from vild.errors import InputError
from vild.recipes import Recipe
from vild.recipes.recipe import PARTS
from vild.teachers import Teacher, fingerprint
from vild.teachers.fingerprints import differ, show

# Images with objects that are asked whether they have masks.
_TRIED = 50


def with_images(dataset: str | Dataset) -> Dataset:
    """Opens a dataset that has images.

    Args:
        dataset: or its specification.

    Returns:
        The dataset.

    Raises:
        InputError: if it has none.
    """
    found = finding.get(dataset)
    if not len(found):
        raise InputError(f"The dataset {found.name!r} has no images to learn from.")
    return found


def check_objects(dataset: Dataset) -> None:
    """Refuses a dataset that nobody has labelled anything in.

    Args:
        dataset: is read until an object is found.

    Raises:
        InputError: if there is none.
    """
    if not any(len(dataset[i]) for i in range(len(dataset))):  # mostly the first has
        raise InputError(
            f"None of the {len(dataset)} images of {dataset.name!r} has an object, so "
            "there is nothing to learn: check its annotations."
        )


def check_recipe(recipe: Recipe) -> None:
    """Refuses what cannot keep an open vocabulary, or learns nothing.

    Args:
        recipe: with the detector's network.

    Raises:
        InputError: if it learns vectors of classes, or all parts are frozen.
    """
    if recipe.classes.classifier != "text":
        raise InputError(
            "Fine-tuning keeps an open vocabulary, so classes.classifier must be text, "
            f"received {recipe.classes.classifier!r}."
        )
    masks = recipe.model.mask_convs is not None
    parts = [part for part in PARTS if masks or part != "mask"]
    if set(parts) <= set(recipe.model.frozen):
        raise InputError(
            f"With {', '.join(recipe.model.frozen)} frozen nothing is left to train: "
            f"leave out {' or '.join(p for p in parts if p in ('region', 'mask'))}."
        )


def teacher_of(detector: Detector) -> str:
    """The teacher that a detector names.

    Args:
        detector: any.

    Returns:
        The teacher's specification.

    Raises:
        InputError: if it names none.
    """
    spec = detector.lexicon.spec
    if spec is None:
        raise InputError(
            "The detector does not say which teacher's space its regions are in: name "
            "its teacher."
        )
    return spec


def check_space(detector: Detector, teacher: Teacher) -> None:
    """Refuses a teacher of another space than that of the detector's regions.

    Args:
        detector: any.
        teacher: to fine-tune with.

    Raises:
        InputError: if the spaces differ, or the detector has none.
    """
    marks, mark = detector.lexicon.marks, fingerprint(teacher)
    recorded = detector.lexicon.recorded
    if recorded is None and detector.lexicon.spec is None:
        raise InputError(
            "The detector's classes were not encoded by any teacher (as those of "
            "recipes with a learned classifier), so it has no open vocabulary to keep: "
            "start from one that was trained with a text classifier."
        )
    dim = detector.model.config["dim"]
    if all(differ(one, mark) for one in marks) or teacher.dim != dim:
        raise InputError(
            f"The detector's regions are in the space of {show(recorded)}, of {dim} "
            f"dimensions, but the teacher is {show(mark)}: fine-tune with the teacher "
            "that it was trained with."
        )


def has_masks(dataset: Dataset) -> bool:
    """Whether objects of a dataset have masks.

    Args:
        dataset: its first 50 images with objects are looked at.

    Returns:
        Whether there are such images, and all of them have masks.
    """
    examples = (dataset[i] for i in range(len(dataset)))
    some = list(itertools.islice((e for e in examples if len(e)), _TRIED))
    return bool(some) and all(e.packed_masks is not None for e in some)
