"""Where a training stands, on disk: weights, optimiser, step, what was measured."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vild.errors import CheckpointError, TrainingError
from vild.files import replacing

_STATE, _VARIABLES = "state.json", "variables.npz"


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: how many steps were made, which is also the position in the data.
        history: what was measured after each round.
        best: name and value of what told the best checkpoint so far.
        concluded: step of the last round that was looked at and told of.
    """

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: tuple[str, float] | None = None
    concluded: int = 0


def save_checkpoint(folder: Path, variables: Sequence[Any], progress: Progress) -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        folder: where to; an older one is replaced.
        variables: Keras variables of model and optimiser, in order.
        progress: how far the training is.

    Raises:
        OSError: where the system refuses, e.g. on a full disk; the older one stays.
        TrainingError: if a variable holds something that is no number.
    """
    values: dict[str, Any] = {_key(i, v): _array(v) for i, v in enumerate(variables)}
    bad = [name for name, value in values.items() if not np.isfinite(value).all()]
    if bad:
        raise TrainingError(
            f"At step {progress.step} {len(bad)} variables are no numbers any more, "
            f"e.g. {bad[0].partition(':')[2]}: the checkpoint before is kept; go on "
            "from there with a lower optimizer.rate."
        )
    with replacing(folder, folder=True) as temporary:
        with (temporary / _VARIABLES).open("wb") as file:
            np.savez(file, **values)
        (temporary / _STATE).write_text(_text(progress), encoding="utf-8")


def save_state(folder: Path, progress: Progress) -> None:
    """Writes anew what a checkpoint says of itself.

    Args:
        folder: of a checkpoint of the same step.
        progress: how far the training is.

    Raises:
        OSError: where the system refuses.
    """
    with replacing(folder / _STATE) as temporary:
        temporary.write_text(_text(progress), encoding="utf-8")


def load_checkpoint(folder: Path, variables: Sequence[Any]) -> Progress:
    """Puts a checkpoint's values into variables.

    Args:
        folder: what `save_checkpoint` wrote.
        variables: as they were saved, in order.

    Returns:
        How far the training was.

    Raises:
        CheckpointError: if it is damaged, or of another model.
    """
    state = read_state(folder)
    path = folder / _VARIABLES
    try:
        # Every member of the archive has a checksum, which reading compares.
        with np.load(path, allow_pickle=False) as stored:
            expected = [_key(i, v) for i, v in enumerate(variables)]
            if sorted(stored.files) != sorted(expected):
                raise CheckpointError(
                    f"{path} holds the variables of another model or optimiser: "
                    "train into another folder."
                )
            values = [stored[key] for key in expected]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged ({error}).") from error
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise CheckpointError(
                f"{path} has {variable.path} as {value.shape}, the model as "
                f"{tuple(variable.shape)}: train into another folder."
            )
        variable.assign(value)
    try:
        best = state["best"]
        best = None if best is None else (str(best[0]), float(best[1]))
        return Progress(state["step"], state["history"], best, state["concluded"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / _STATE} is damaged ({error}).") from error


def read_state(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself.

    Args:
        folder: of a checkpoint.

    Returns:
        Its state.

    Raises:
        CheckpointError: if it cannot be read.
    """
    path = folder / _STATE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}).") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} does not hold a JSON object.")
    return state


def _text(progress: Progress) -> str:
    return json.dumps(asdict(progress), indent=1)


def _key(index: int, variable: Any) -> str:
    # The number keeps the order and tells variables of one name apart.
    return f"{index:05d}:{variable.path.replace('/', '|')}"


def _array(variable: Any) -> Any:
    from vild.backends import keras

    return keras.ops.convert_to_numpy(variable.value)
