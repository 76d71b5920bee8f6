"""`vild.evaluate`: a detector and a dataset -> metrics."""

from typing import TYPE_CHECKING, Any, Unpack

from tqdm import tqdm

from vild.data.dataset import Dataset
from vild.data.finding import get
from vild.errors import InputError
from vild.evaluation.collecting import Collected
from vild.evaluation.detecting import Asking, look
from vild.evaluation.protocols import Protocol, get_protocol
from vild.evaluation.scoring import Metrics, Scored, score, score_proposals
from vild.evaluation.tables import table
from vild.evaluation.truth import TruthFromExamples
from vild.settings import Overrides

if TYPE_CHECKING:
    from vild.detector import Detector
    from vild.vocabulary import Vocabulary


def evaluate(
    detector: "Detector",
    dataset: Dataset | str,
    protocol: str | Protocol = "lvis",
    *,
    vocabulary: "Vocabulary | None" = None,
    base: Any = None,
    batch_size: int = 8,
    limit: int | None = None,
    **settings: Unpack[Overrides],
) -> dict[str, Metrics]:
    """Measures a detector on a dataset and prints a table.

    The categories' names and synonyms are the words that are asked for.

    Args:
        detector: what to measure.
        dataset: any, or its specification, see `vild.data.finding.get`.
        protocol: a name of `vild.evaluation.protocols.PROTOCOLS`: `lvis`, `coco`,
            `coco-ovd`, `voc`, `objects365` or `proposals`.
        vocabulary: words to use instead, a row for each category in its order.
        base: which categories count as base classes of an ensemble; None: those the
            detector was trained on, by name.
        batch_size: images that are looked at together.
        limit: only the first images, as many as this.
        **settings: see `vild.settings.Settings`. Not given: no score threshold, and
            as many detections as the protocol counts.

    Returns:
        `bbox`, and `segm` where dataset and detector have masks -> name -> a fraction
        in [0, 1], or -1 where there is nothing to be found.

    Raises:
        InputError: for a protocol or settings that do not fit.
        DataError: for a dataset that cannot be read.

    Example:
        >>> metrics = vild.evaluate(detector, "lvis:lvis/lvis_v1_val.json")
        >>> metrics["segm"]["APr"]

    Source: paper section 4; released evaluation.
    """
    chosen = get_protocol(protocol)
    scored = _run(
        detector, get(dataset), chosen, vocabulary, base, batch_size, limit, settings
    )
    metrics = {kind: part.metrics for kind, part in scored.items()}
    print(table(metrics))
    return metrics


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
    """Measures boxes only, quickly and without a word: for use while training.

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
    chosen = get_protocol(protocol)
    without: Overrides = {**settings, "masks": False}
    scored = _run(
        detector, dataset, chosen, vocabulary, base, batch_size, limit, without
    )
    return scored["bbox"].metrics


def _run(
    detector: "Detector",
    dataset: Dataset,
    protocol: Protocol,
    vocabulary: "Vocabulary | None",
    base: Any,
    batch_size: int,
    limit: int | None,
    settings: Overrides,
) -> dict[str, Scored]:
    asking = Asking(detector, dataset.categories, protocol, vocabulary, base, settings)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if not count:
        raise InputError(f"The dataset {dataset.name!r} has no images to look at.")
    masks = asking.settings.get("masks", detector.settings.masks)
    masks = masks and detector.model.mask is not None
    real = TruthFromExamples(dataset.name, dataset.categories, masks)
    ids = [category.id for category in asking.categories]
    collected = Collected(None if asking.words is None else ids, masks)
    with tqdm(total=count, unit="image", disable=None) as bar:
        for example, answer in look(asking, dataset, range(count), batch_size):
            real.add(example)
            collected.add(example.image_id, answer)
            bar.update()
    truth = real.truth()
    predictions = collected.predictions(truth)
    if protocol.rules == "proposals":
        return {"bbox": score_proposals(truth, predictions, protocol)}
    found = {"bbox": score(truth, predictions, protocol)}
    if masks and truth.has_masks:
        found["segm"] = score(truth, predictions, protocol, masks=True)
    return found
