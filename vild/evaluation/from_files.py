"""Evaluation of a json of results against a json of annotations."""

from pathlib import Path

from vild.evaluation.evaluation import Evaluation, judge
from vild.evaluation.protocols import Protocol, get_protocol
from vild.evaluation.results_files import read_results
from vild.evaluation.truth import Truth
from vild.evaluation.truth_files import read_truth


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
