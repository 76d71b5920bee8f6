"""Evaluation of a json of results against a json of annotations."""

from pathlib import Path

from vild.data import finding
from vild.data.coco import Coco
from vild.data.dataset import Dataset
from vild.errors import InputError
from vild.evaluation.evaluation import Evaluation, judge
from vild.evaluation.protocols import Protocol, get_protocol
from vild.evaluation.results_files import read_results
from vild.evaluation.truth import Truth, TruthFromExamples
from vild.evaluation.truth_files import read_truth, truth_of_dataset


def evaluate_files(
    ground_truth: str | Path | Truth,
    results: str | Path,
    protocol: str | Protocol = "lvis",
    *,
    masks: bool | None = None,
) -> Evaluation:
    """Judges results that lie in a file. Neither images nor a model are needed.

    Args:
        ground_truth: a json of COCO's or LVIS's form, or objects that were read
            before.
        results: a json of results in COCO's form, see
            `vild.evaluation.results_files.read_results`.
        protocol: as for `vild.evaluate`.
        masks: whether to judge masks; None: where both files have them.

    Returns:
        Metrics, and what they were made of.

    Raises:
        DataError: for files that are missing, damaged or do not belong together.
        InputError: for an unknown protocol.

    Example:
        >>> evaluate_files("lvis_v1_val.json", "results.json").metrics["segm"]["APr"]
    """
    chosen = get_protocol(protocol)
    truth = (
        ground_truth if isinstance(ground_truth, Truth) else read_truth(ground_truth)
    )
    classes = chosen.rules != "proposals"
    wanted = masks is not False and classes
    found = read_results(results, truth, masks=wanted, classes=classes)
    return judge(truth, found, chosen, masks)


def open_truth(
    where: str, images: str | Path | None = None
) -> tuple[Truth, Dataset | None]:
    """Finds a ground truth, and its photos where they are known.

    Args:
        where: a json of COCO's or LVIS's form, or the specification of a dataset, see
            `vild.data.finding.get`.
        images: the folder of the json's images; None without.

    Returns:
        The objects; and the dataset, or None for a json alone.

    Raises:
        DataError: if it cannot be read.
        InputError: if images are named for a dataset that has its own.
    """
    kind = where.partition(":")[0]
    if Path(where).exists() or kind not in finding.list():
        truth = read_truth(where)
        photos: Dataset | None = None
        if images is not None:
            photos = Coco(where, images, missing="skip")
        return truth, photos
    if images is not None:
        raise InputError(f"{where!r} has its own images: leave the other folder out.")
    dataset = finding.get(where)
    return truth_of(dataset, len(dataset)), dataset


def truth_of(dataset: Dataset, count: int) -> Truth:
    """The objects of a dataset.

    Args:
        dataset: any.
        count: how many images, from the first on.

    Returns:
        The objects; where there is a json, exactly as they are there.
    """
    if isinstance(dataset, Coco):
        return truth_of_dataset(dataset, range(count))
    collected = TruthFromExamples(dataset.name, dataset.categories)
    for index in range(count):
        collected.add(dataset[index])
    return collected.truth()
