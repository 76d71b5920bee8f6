"""What a training shows: rounds for TensorBoard, looks at a validation set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vild.data.dataset import Dataset
from vild.detector import Detector
from vild.evaluation.evaluating import box_metrics, protocol_for

# What tells the best checkpoint, the first that there is; larger is better.
_TELLING = (("AP50_base", 1.0), ("AP50", 1.0), ("AR@100", 1.0), ("loss", -1.0))

# A look gives numbers by name; larger is better.
Look = Callable[[Detector], dict[str, float]]


def look_at(dataset: Dataset, images: int | None = None) -> Look:
    """Evaluates a detector on a validation set, in the middle of its training.

    Args:
        dataset: with the categories that are asked for.
        images: the first ones only; None for all.

    Returns:
        A function from a detector to its box metrics, e.g. `AP50_base`; of a detector
        that knows one class only, "object", to recalls of its boxes, e.g. `AR@100`.
    """

    def look(detector: Detector) -> dict[str, float]:
        agnostic = detector.own_vocabulary.names == ["object"]
        protocol = "proposals" if agnostic else protocol_for(dataset)
        metrics = box_metrics(detector, dataset, protocol, limit=images)
        return {name: value for name, value in metrics.items() if value >= 0}

    return look


def score(measured: dict[str, Any]) -> tuple[str, float] | None:
    """What tells the best checkpoint, larger being better.

    Args:
        measured: a row of the history.

    Returns:
        Its name and value: the AP50 of base classes where it was looked at, or the
        recall of proposals, else the loss, below 0.
    """
    for name, sign in _TELLING:
        value = measured.get(name)
        if value is not None and value == value:
            return name, sign * value
    return None


def is_better(now: tuple[str, float] | None, best: tuple[str, float] | None) -> bool:
    """Whether a checkpoint is better than the best so far.

    Args:
        now: its `score`.
        best: the best one's.

    Returns:
        True if it is larger, or if it tells more: a round that was cut off was not
        looked at, and its loss says nothing beside what looks found.

    Example:
        >>> is_better(("loss", -1.0), ("AP50_base", 0.1))
        False
        >>> is_better(("AP50_base", 0.1), ("loss", -1.0))
        True
    """
    if now is None or best is None:
        return now is not None
    ranks = [name for name, _ in _TELLING]
    return (-ranks.index(now[0]), now[1]) > (-ranks.index(best[0]), best[1])


def told(measured: dict[str, Any]) -> str:
    """What a look found, in a line.

    Args:
        measured: name -> number.

    Returns:
        Text.
    """
    first = ("AP50_base", "AP50_novel", "AP_base", "AP_novel", "AP", "AR@100", "AR@300")
    names = [name for name in first if name in measured] or list(measured)[:6]
    return ", ".join(f"{name} {measured[name]:.3f}" for name in names)


class Board:
    """Writes rounds for TensorBoard, if that is installed.

    Args:
        folder: where to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError:  # the table of the history has the same numbers
            self._writer: Any = None
        else:
            self._writer = Writer(str(folder))

    def write(self, measured: dict[str, Any]) -> None:
        """Adds a round.

        Args:
            measured: a row of the history.
        """
        if self._writer is None:
            return
        for name, value in measured.items():
            if isinstance(value, int | float) and name != "step":
                kind = "loss" if name.endswith("loss") else "look"
                self._writer.add_scalar(f"{kind}/{name}", value, measured["step"])
        self._writer.flush()
