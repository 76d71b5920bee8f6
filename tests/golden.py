"""The reference goldens and the weights they were recorded with."""

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from vild.checkpoints.released import BACKGROUND, TEXT_MATRIX, released_names
from vild.layers import blank_weights
from vild.model import ViLD


class Golden:
    """One `.npz` file; `meta` holds its JSON entries."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self._arrays = {name: arrays[name] for name in arrays.files}

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def names(self) -> list[str]:
        return list(self._arrays)

    def json(self, name: str) -> Any:
        return json.loads(str(self._arrays[name]))


def text_matrix(reference: Path, classes: int) -> np.ndarray:
    """(512, classes), unit columns."""
    return np.load(reference / "clip_text_embeddings.npy")[:, :classes]


@functools.cache
def rule(reference: Path) -> Any:
    """The function from name, shape and text matrix to weights."""
    spec = importlib.util.spec_from_file_location(
        "weights_rule", reference / "weights_rule.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.weight


@functools.lru_cache(maxsize=4)
def released_arrays(
    reference: Path, depth: int, ensemble: bool, classes: int
) -> dict[str, np.ndarray]:
    """All inference variables of a released checkpoint, by released name."""
    suffix = "_ensemble" if ensemble else ""
    listed = json.loads(
        (reference / f"variables_r{depth}_vild{suffix}.json").read_text()
    )
    matrix = text_matrix(reference, classes)
    return {
        name: matrix if name == TEXT_MATRIX else rule(reference)(name, shape, matrix)
        for name, shape, _ in listed
    }


@functools.lru_cache(maxsize=3)
def golden_model(reference: Path, depth: int, ensemble: bool, classes: int) -> ViLD:
    """A model with the weights of the goldens."""
    arrays = released_arrays(reference, depth, ensemble, classes)
    with blank_weights():
        model = ViLD(depth, ensemble=ensemble)
    names = released_names([variable.path for variable in model.variables], depth)
    for variable in model.variables:
        array = arrays[names[variable.path]]
        if names[variable.path] == BACKGROUND:
            array = array[:, 0]
        variable.assign(array)
    return model
