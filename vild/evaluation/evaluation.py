"""Predictions judged by a protocol: boxes, masks, categories."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vild.data.categories import Category
from vild.errors import DataError
from vild.evaluation.predictions import Predictions
from vild.evaluation.protocols import Protocol
from vild.evaluation.scored import Metrics, Scored
from vild.evaluation.scoring import score, score_proposals
from vild.evaluation.splits import split
from vild.evaluation.tables import category_rows, table, write_csv, write_json
from vild.evaluation.truth import Truth
from vild.evaluation.voc_scoring import score_voc
from vild.files import writing


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        protocol: how it was judged.
        truth: all objects.
        predictions: all detections.
        scored: `bbox`, and `segm` where masks were judged.
    """

    protocol: Protocol
    truth: Truth
    predictions: Predictions
    scored: dict[str, Scored]

    @property
    def metrics(self) -> dict[str, Metrics]:
        """`bbox`, `segm` -> name -> a fraction, or -1 where nothing is to be found."""
        return {kind: dict(scored.metrics) for kind, scored in self.scored.items()}

    def table(self) -> str:
        """The metrics as text, in per cent."""
        return table(self.metrics)

    def categories(self) -> list[dict[str, Any]]:
        """What was reached for each category.

        Returns:
            One dict a category that took part: `id`, `name`, `frequency`, `group`
            (base, novel or None where no category is novel), `objects`, and for each
            of `bbox` and `segm` e.g. `bbox_AP`, `bbox_AP50`, `bbox_AP75`, `bbox_AR`
            as fractions; -1 where there is nothing to be found.
        """
        return category_rows(self.scored)

    def save(self, folder: Path) -> None:
        """Writes `metrics.json` and `categories.csv`.

        Args:
            folder: where to.

        Raises:
            InputError: if it cannot be written.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", self.metrics)
        write_csv(folder / "categories.csv", self.categories())


def judge(
    truth: Truth,
    predictions: Predictions,
    protocol: Protocol,
    masks: bool | None,
    *,
    own: bool = False,
) -> Evaluation:
    """Judges predictions.

    Args:
        truth: the objects.
        predictions: the detections.
        protocol: how.
        masks: whether to judge masks; None: where both sides have them, with a
            warning where only the predictions do.
        own: whether vild made the predictions, whose ids are then in no doubt.

    Returns:
        Metrics and what they were made of.

    Raises:
        DataError: if the dataset lacks what the protocol needs, or masks that were
            asked for.
    """
    if not len(truth.image_ids):
        raise DataError(f"{truth.name!r} has no images: nothing can be measured.")
    truth = truth.renamed(truth.name, split(truth.name, truth.categories, protocol))
    if protocol.rules == "proposals":
        found = {"bbox": score_proposals(truth, predictions, protocol)}
        return Evaluation(protocol, truth, predictions, found)
    if protocol.rules == "voc":
        found = {"bbox": score_voc(truth, predictions)}
        return Evaluation(protocol, truth, predictions, found)
    if protocol.rules == "lvis":
        check_frequencies(truth.name, truth.categories)
        check_federated(truth)
    found = {"bbox": score(truth, predictions, protocol)}
    if not own:
        _check_shift(truth, predictions, protocol, found["bbox"].metrics)
    if _has_masks(truth, predictions, masks):
        found["segm"] = score(truth, predictions, protocol, masks=True)
    return Evaluation(protocol, truth, predictions, found)


def check_frequencies(name: str, categories: Sequence[Category]) -> None:
    """Tells categories that LVIS's rules cannot be applied to.

    Args:
        name: of the dataset.
        categories: of the dataset.

    Raises:
        DataError: if some have no frequency.
    """
    if not all(category.frequency for category in categories):
        raise DataError(
            f"The categories of {name!r} have no frequency r, c or f, which the "
            "protocol 'lvis' needs: take the protocol 'coco'."
        )


def check_federated(truth: Truth) -> None:
    """Tells images that LVIS's rules cannot be applied to.

    Args:
        truth: the objects.

    Raises:
        DataError: if nobody knows what is certainly absent.
    """
    if not truth.federated:
        raise DataError(
            f"The images of {truth.name!r} do not tell their neg_category_ids and "
            "not_exhaustive_category_ids, which the protocol 'lvis' needs: take the "
            "protocol 'coco'."
        )


def _has_masks(truth: Truth, predictions: Predictions, masks: bool | None) -> bool:
    if masks is False:
        return False
    both = predictions.mask is not None and truth.has_masks
    if masks and not both:
        side = "predictions" if truth.has_masks else f"objects of {truth.name!r}"
        raise DataError(
            f"Masks are to be judged, but not all {side} have one: evaluate boxes only."
        )
    if predictions.mask is not None and not truth.has_masks:
        warnings.warn(
            f"Not every object of {truth.name!r} has a mask, so masks are not judged.",
            stacklevel=4,
        )
    return both


def _check_shift(
    truth: Truth, predictions: Predictions, protocol: Protocol, metrics: Metrics
) -> None:
    """Warns if another way to count categories would make sense of the results."""
    suspicious = 0 <= metrics["AP50"] < 0.05 and len(truth.categories) > 2
    if not suspicious or not len(predictions):
        return
    known = np.array([category.id for category in truth.categories])
    for step in (1, -1):
        ids = known[predictions.category] + step
        rows = np.searchsorted(known, ids).clip(max=len(known) - 1)
        there = known[rows] == ids
        moved = replace(predictions, category=rows).keep(there)
        other = score(truth, moved, protocol).metrics["AP50"]
        if other > max(0.05, 4 * metrics["AP50"]):
            base = "0 (0-based)" if step == 1 else "1 (1-based)"
            warnings.warn(
                f"With every category_id {'raised' if step == 1 else 'lowered'} by 1, "
                f"AP50 would be {other:.3f} rather than {metrics['AP50']:.3f}: the "
                f"results seem to count categories from {base}, unlike "
                f"{truth.name!r}.",
                stacklevel=4,
            )
            return
