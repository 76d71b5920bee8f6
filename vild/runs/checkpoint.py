"""Where a training stands, on disk: weights, optimiser, step, what was measured."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vild.errors import CheckpointError
from vild.files import replacing

_STATE, _VARIABLES = "state.json", "variables.npz"


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: how many steps were made, which is also the position in the data.
        history: what was measured after each round.
        best: the best value so far of what tells the best checkpoint.
    """

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None


def save_checkpoint(
    folder: Path, variables: Sequence[Any], progress: Progress, **facts: Any
) -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        folder: where to; an older one is replaced.
        variables: Keras variables of model and optimiser, in order.
        progress: how far the training is.
        **facts: what else belongs to it, JSON-serialisable.

    Raises:
        OSError: where the system refuses, e.g. on a full disk; the older one stays.
    """
    values: dict[str, Any] = {_key(i, v): _array(v) for i, v in enumerate(variables)}
    with replacing(folder, folder=True) as temporary:
        with (temporary / _VARIABLES).open("wb") as file:
            np.savez(file, **values)
        text = json.dumps({**asdict(progress), **facts}, indent=1)
        (temporary / _STATE).write_text(text, encoding="utf-8")


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
        return Progress(state["step"], state["history"], state["best"])
    except KeyError as error:
        raise CheckpointError(f"{folder / _STATE} has no {error}.") from error


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


def _key(index: int, variable: Any) -> str:
    # The number keeps the order and tells variables of one name apart.
    return f"{index:05d}:{variable.path.replace('/', '|')}"


def _array(variable: Any) -> Any:
    from vild.backends import keras

    return keras.ops.convert_to_numpy(variable.value)
