"""`vild.evaluate`: a detector and a dataset -> metrics."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from vild.data.coco import Coco
from vild.data.dataset import Dataset
from vild.data.finding import get
from vild.errors import InputError
from vild.evaluation.collecting import Collected
from vild.evaluation.detecting import Asking, look
from vild.evaluation.evaluation import (
    Evaluation,
    check_federated,
    check_frequencies,
    judge,
)
from vild.evaluation.overlaps import mask_api
from vild.evaluation.predicting import predict
from vild.evaluation.protocols import Protocol, get_protocol
from vild.evaluation.results_files import read_results
from vild.evaluation.results_json import json_decoder
from vild.evaluation.scored import Metrics
from vild.evaluation.splits import split
from vild.evaluation.truth import Truth, TruthFromExamples
from vild.evaluation.truth_files import truth_of_dataset
from vild.settings import Overrides

if TYPE_CHECKING:
    from vild.detector import Detector
    from vild.vocabulary import Vocabulary


def evaluate(
    detector: "Detector",
    dataset: Dataset | str,
    protocol: str | Protocol = "lvis",
    *,
    out: str | Path | None = None,
    vocabulary: "Vocabulary | None" = None,
    base: Any = None,
    batch_size: int = 8,
    limit: int | None = None,
    workers: int = 0,
    **settings: Unpack[Overrides],
) -> dict[str, Metrics]:
    """Measures a detector on a dataset and prints a table.

    The categories' names and synonyms are the words that are asked for.

    Args:
        detector: what to measure.
        dataset: any, or its specification, see `vild.data.finding.get`.
        protocol: `lvis`, `coco`, `coco-ovd`, `voc`, `objects365` or `proposals`, see
            `vild.evaluation.protocols.PROTOCOLS`.
        out: a folder for predictions, metrics and a table of categories; the same
            call goes on where one was cut off. None: nothing is kept.
        vocabulary: words to use instead, a row for each category in its order.
        base: which categories count as base classes of an ensemble, as for
            `Detector.vocabulary`; None: those the detector was trained on, by name.
        batch_size: images that are looked at together.
        limit: only the first images, as many as this.
        workers: processes that pack masks, beside the one that looks; 0 for a
            thread. A program that asks for processes must begin with
            `if __name__ == "__main__":`.
        **settings: see `vild.settings.Settings`. Not given: no score threshold, and
            as many detections as the protocol counts.

    Returns:
        `bbox`, and `segm` where dataset and detector have masks -> name -> a fraction
        in [0, 1], or -1 where there is nothing to be found.

    Raises:
        InputError: for a protocol or settings that do not fit.
        DataError: for a dataset that cannot be read or judged in this way, or a
            folder that holds another run.
        BackendError: if `vild[evaluate]` is not installed.

    Example:
        >>> metrics = vild.evaluate(detector, "lvis:lvis/lvis_v1_val.json")
        >>> metrics["segm"]["APr"]

    Source: paper section 4; released evaluation.
    """
    found, said = evaluate_detector(
        detector,
        get(dataset),
        protocol,
        out=out,
        vocabulary=vocabulary,
        base=base,
        batch_size=batch_size,
        limit=limit,
        workers=workers,
        **settings,
    )
    print(f"{found.table()}\n{said}")
    return found.metrics


def evaluate_detector(
    detector: "Detector",
    dataset: Dataset,
    protocol: str | Protocol = "lvis",
    *,
    out: str | Path | None = None,
    vocabulary: "Vocabulary | None" = None,
    base: Any = None,
    batch_size: int = 8,
    limit: int | None = None,
    workers: int = 0,
    **settings: Unpack[Overrides],
) -> tuple[Evaluation, str]:
    """`evaluate`, for those who want more than the metrics.

    Args:
        detector: as for `evaluate`.
        dataset: as for `evaluate`, but no specification.
        protocol: as for `evaluate`.
        out: as for `evaluate`.
        vocabulary: as for `evaluate`.
        base: as for `evaluate`.
        batch_size: as for `evaluate`.
        limit: as for `evaluate`.
        workers: as for `evaluate`.
        **settings: as for `evaluate`.

    Returns:
        Metrics and what they were made of; and a line about speed.

    Raises:
        VildError: as for `evaluate`.

    Example:
        >>> found, _ = evaluate_detector(detector, dataset)
        >>> found.categories()
    """
    chosen = get_protocol(protocol)
    categories = split(dataset.name, dataset.categories, chosen)
    asking = Asking(detector, categories, chosen, vocabulary, base, settings)
    count = _count(dataset, limit)
    # Hours later would be too late to miss these.
    json_decoder()
    if asking.masks:
        mask_api()
    truth = _Truth(dataset, range(count), asking.masks, chosen)
    with tempfile.TemporaryDirectory(prefix="vild-evaluate-") as temporary:
        folder = Path(temporary if out is None else out)
        predicted = predict(
            asking,
            dataset,
            count,
            folder,
            batch_size=batch_size,
            workers=workers,
            seen=truth.add,
        )
        real = truth.all()
        predictions = read_results(
            predicted.path,
            real,
            masks=asking.masks,
            classes=asking.words is not None,
            own=True,
        )
        wanted = None if asking.masks else False
        found = judge(real, predictions, chosen, wanted, own=True)
        if out is not None:
            found.save(folder)
    return found, str(predicted)


def box_metrics(
    detector: "Detector",
    dataset: Dataset,
    protocol: str | Protocol = "lvis",
    *,
    vocabulary: "Vocabulary | None" = None,
    base: Any = None,
    batch_size: int = 8,
    limit: int | None = None,
    **settings: Unpack[Overrides],
) -> Metrics:
    """Measures boxes only, in memory and without a word: for use while training.

    Args:
        detector: what to measure.
        dataset: any.
        protocol: as for `evaluate`.
        vocabulary: as for `evaluate`; make it once, not at every call.
        base: as for `evaluate`.
        batch_size: as for `evaluate`.
        limit: only the first images, as many as this.
        **settings: as for `evaluate`.

    Returns:
        Name -> fraction: `AP`, `AP50`, `AP50_base`, `AP50_novel` and so on.

    Raises:
        InputError: as for `evaluate`.
        DataError: as for `evaluate`.

    Example:
        >>> box_metrics(detector, DrawnObjects("val"), limit=50)["AP50_novel"]
    """
    found = box_evaluation(
        detector,
        dataset,
        protocol,
        vocabulary=vocabulary,
        base=base,
        batch_size=batch_size,
        limit=limit,
        **settings,
    )
    return found.metrics["bbox"]


def box_evaluation(
    detector: "Detector",
    dataset: Dataset,
    protocol: str | Protocol = "lvis",
    *,
    vocabulary: "Vocabulary | None" = None,
    base: Any = None,
    batch_size: int = 8,
    limit: int | None = None,
    **settings: Unpack[Overrides],
) -> Evaluation:
    """`box_metrics`, for those who want to know about single categories.

    Args:
        detector: as for `box_metrics`.
        dataset: as for `box_metrics`.
        protocol: as for `box_metrics`.
        vocabulary: as for `box_metrics`.
        base: as for `box_metrics`.
        batch_size: as for `box_metrics`.
        limit: as for `box_metrics`.
        **settings: as for `box_metrics`.

    Returns:
        Metrics and what they were made of.

    Raises:
        VildError: as for `box_metrics`.
    """
    chosen = get_protocol(protocol)
    without: Overrides = {**settings, "masks": False}
    categories = split(dataset.name, dataset.categories, chosen)
    asking = Asking(detector, categories, chosen, vocabulary, base, without)
    count = _count(dataset, limit)
    truth = _Truth(dataset, range(count), False, chosen)
    ids = [category.id for category in asking.categories]
    collected = Collected(None if asking.words is None else ids)
    for example, answer in look(asking, dataset, range(count), min(batch_size, count)):
        truth.add(example)
        collected.add(example.image_id, answer)
    real = truth.all()
    return judge(real, collected.predictions(real), chosen, False, own=True)


def protocol_for(dataset: Dataset, tried: int = 50) -> str:
    """The rules that suit a dataset.

    Args:
        dataset: any.
        tried: of so many images it is asked whether they tell what is absent.

    Returns:
        `"lvis"` if categories have frequencies and images tell which categories are
        certainly not there; else `"coco"`.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> protocol_for(DrawnObjects("val:3"))
        'lvis'
    """
    if not all(category.frequency for category in dataset.categories):
        return "coco"
    some = (dataset[i] for i in range(min(tried, len(dataset))))
    told = any(len(e.negative_ids) or len(e.not_exhaustive_ids) for e in some)
    return "lvis" if told else "coco"


class _Truth:
    """The objects of a dataset: from its json, or else from its examples."""

    def __init__(
        self, dataset: Dataset, indexes: range, masks: bool, protocol: Protocol
    ) -> None:
        # What the protocol needs is missed now, not after hours.
        if protocol.rules == "lvis":
            check_frequencies(dataset.name, dataset.categories)
        self._whole: Truth | None = None
        if isinstance(dataset, Coco):
            self._whole = truth_of_dataset(dataset, indexes)
            if protocol.rules == "lvis":
                check_federated(self._whole)
        self._parts = TruthFromExamples(dataset.name, dataset.categories, masks)

    def add(self, example: Any) -> None:
        if self._whole is None:
            self._parts.add(example)

    def all(self) -> Truth:
        return self._whole or self._parts.truth()


def _count(dataset: Dataset, limit: int | None) -> int:
    if limit is not None and limit < 1:
        raise InputError(f"limit must be a whole number above 0, received {limit!r}.")
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if not count:
        raise InputError(f"The dataset {dataset.name!r} has no images to look at.")
    return count
