"""Initial weights from files: a detector directory, or a backbone."""

from pathlib import Path
from typing import Any

from vild.checkpoints.backbone_weights import read_backbone
from vild.errors import CheckpointError
from vild.model import ViLD
from vild.saving import load_detector


def load_initial(model: ViLD, source: str) -> None:
    """Puts weights from a file into a model.

    Args:
        model: stays as it is where the file has nothing.
        source: a detector directory, of which everything of equal name and shape is
            taken; or a file of a backbone: Keras's own `.weights.h5`, one
            that its kind was published with (`load_published`), or an `.npz` or
            `.safetensors`, see `vild.checkpoints.backbone_weights`.

    Raises:
        CheckpointError: if nothing fits, or a file is damaged.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        _from_detector(model, path)
    elif path.suffix in (".npz", ".safetensors"):
        variables = {v.path: v for v in model.backbone.variables}
        shapes = {name: variable.shape for name, variable in variables.items()}
        for name, value in read_backbone(path, shapes).items():
            variables[name].assign(value)
    elif path.name.endswith(".h5"):
        _from_keras(model.backbone, path)
    else:
        raise CheckpointError(
            "Initial weights come from a detector directory, or from a .weights.h5, "
            f".npz or .safetensors of a backbone, received {source!r}"
            + ("." if path.exists() else ", which is not there.")
        )


def _from_detector(model: ViLD, path: Path) -> None:
    there = {v.path: v for v in load_detector(path).model.variables}
    found = 0
    for variable in model.variables:
        other = there.get(variable.path)
        if other is not None and tuple(other.shape) == tuple(variable.shape):
            variable.assign(other.value)
            found += 1
    # Less than half would be a coincidence of names.
    if 2 * found < len(model.variables):
        raise CheckpointError(
            f"Of the {len(model.variables)} variables of the model {str(path)!r} has "
            f"{found} in the same shape: it is of another kind."
        )


def _from_keras(backbone: Any, path: Path) -> None:
    """Reads a file that was published for its kind, or one of the backbone itself."""
    published = getattr(backbone, "load_published", backbone.load_weights)
    reason = ""
    for load in (published, backbone.load_weights):
        try:
            return load(path)
        except Exception as error:  # HDF5 and Keras raise many kinds
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise CheckpointError(f"{path} is damaged or of another backbone ({reason}).")
