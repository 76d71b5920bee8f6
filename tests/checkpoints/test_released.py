"""Names of released variables, on checkpoints of released layout and small size."""

import json
from pathlib import Path

import numpy as np
import pytest
from bundle_writer import write_bundle
from mirror import arrays_for, write_checkpoint

from vild.backbones.resnet import BLOCKS, resnet
from vild.checkpoints.released import (
    BACKGROUND,
    STRAY,
    TEXT_MATRIX,
    match_variables,
    read_released,
    released_name,
    released_names,
)
from vild.checkpoints.tensor_bundle import TensorBundle
from vild.errors import CheckpointError
from vild.layers import blank_weights
from vild.model import ViLD

HEAD = "frcnn_layer_0/fast_rcnn_head"
IMAGE_BRANCH = f"{HEAD}/distill-project-to-clip/kernel"


def small_model(depth: int, ensemble: bool) -> ViLD:
    """The variables of a released model by name, but tiny ones."""
    return ViLD(
        resnet(blocks=BLOCKS[depth], width=2),
        ensemble=ensemble,
        dim=8,
        channels=4,
        region_units=(8, 8),
    )


@pytest.mark.parametrize("ensemble", [False, True], ids=["one branch", "ensemble"])
@pytest.mark.parametrize(("depth", "stray"), [(50, False), (152, True), (152, False)])
def test_only_the_inference_variables_are_read(
    tmp_path: Path, depth: int, stray: bool, ensemble: bool
) -> None:
    model = small_model(depth, ensemble)
    arrays = arrays_for(model, depth, classes=5)
    prefix = write_checkpoint(tmp_path, arrays, stray=stray)
    held = TensorBundle(prefix).variables
    assert "global_step" in held
    assert any(name.endswith("/Momentum") for name in held)
    assert any(STRAY in name for name in held) is stray

    read = read_released(prefix, ensemble=ensemble, depth=depth)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array, err_msg=name)

    del read[TEXT_MATRIX]
    names = released_names([v.path for v in model.variables], depth)
    shapes = {names[v.path]: tuple(v.shape) for v in model.variables}
    assert match_variables(read, shapes, prefix).keys() == shapes.keys()


@pytest.mark.parametrize("depth", [50, 152])
@pytest.mark.parametrize("ensemble", [False, True], ids=["one branch", "ensemble"])
def test_names_and_shapes_are_those_of_the_release(
    reference: Path, depth: int, ensemble: bool
) -> None:
    suffix = "_ensemble" if ensemble else ""
    listed = json.loads(
        (reference / f"variables_r{depth}_vild{suffix}.json").read_text()
    )
    expected = {name: tuple(shape) for name, shape, _ in listed}
    del expected[TEXT_MATRIX]
    expected[BACKGROUND] = expected[BACKGROUND][:1]
    with blank_weights():
        model = ViLD(depth, ensemble=ensemble)
    names = released_names([v.path for v in model.variables], depth)
    assert {names[v.path]: tuple(v.shape) for v in model.variables} == expected


def test_a_variable_that_no_release_has() -> None:
    with pytest.raises(CheckpointError, match="'text/other/kernel'"):
        released_name("text/other/kernel", {}, 50)


def marks(depth: int, ensemble: bool) -> dict[str, np.ndarray]:
    """The variables by which a checkpoint's kind is known."""
    names = [TEXT_MATRIX, f"resnet{depth}/conv2d/kernel"]
    names += [IMAGE_BRANCH] if ensemble else []
    return {name: np.zeros((2, 2), "float32") for name in names}


KINDS = {
    "r50": (50, False),
    "r50-ensemble": (50, True),
    "r152": (152, False),
    "r152-ensemble": (152, True),
}


@pytest.mark.parametrize("held", KINDS)
@pytest.mark.parametrize("wanted", KINDS)
def test_a_checkpoint_of_another_preset(tmp_path: Path, held: str, wanted: str) -> None:
    prefix = tmp_path / "model.ckpt-1"
    write_bundle(prefix, marks(*KINDS[held]))
    depth, ensemble = KINDS[wanted]
    if held == wanted:
        assert TEXT_MATRIX in read_released(prefix, ensemble=ensemble, depth=depth)
        return
    message = rf"weights of '{held}', not of '{wanted}'.*load_pretrained\('{held}'"
    with pytest.raises(CheckpointError, match=message):
        read_released(prefix, ensemble=ensemble, depth=depth)


@pytest.mark.parametrize("missing", [TEXT_MATRIX, "resnet50/conv2d/kernel"])
def test_a_checkpoint_of_something_else(tmp_path: Path, missing: str) -> None:
    arrays = marks(50, ensemble=False)
    del arrays[missing]
    write_bundle(tmp_path / "model.ckpt-1", arrays)
    with pytest.raises(CheckpointError, match=f"it has no '{missing}'"):
        read_released(tmp_path, ensemble=False, depth=50)


def test_a_variable_under_two_spellings(tmp_path: Path) -> None:
    arrays = marks(152, ensemble=False)
    name = "resnet152/batch_normalization/gamma"
    stray = f"resnet152/batch_normalization{STRAY}/gamma"
    arrays |= {name: np.ones(2, "float32"), stray: np.ones(2, "float32")}
    write_bundle(tmp_path / "model.ckpt-1", arrays)
    with pytest.raises(CheckpointError, match="mean the same variable"):
        read_released(tmp_path, ensemble=False, depth=152)


def test_matching_gives_the_shape_and_type_that_is_expected() -> None:
    arrays = {BACKGROUND: np.ones((3, 1)), "a/kernel": np.ones((2, 2))}
    shapes = {BACKGROUND: (3,), "a/kernel": (2, 2)}
    matched = match_variables(arrays, shapes, "x")
    assert {name: array.shape for name, array in matched.items()} == shapes
    assert {array.dtype.name for array in matched.values()} == {"float32"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "lacks the variable 'a/kernel'"),
        ({"a/kernel": (2, 3), "b": (1,)}, "'b', which this model has no place for"),
        ({"a/kernel": (3, 2)}, r"'a/kernel' has shape \(3, 2\), expected \(2, 3\)"),
        ({"a/kernel": (2, 3, 1)}, r"shape \(2, 3, 1\), expected \(2, 3\)"),
    ],
)
def test_variables_that_do_not_match(
    arrays: dict[str, tuple[int, ...]], message: str
) -> None:
    given = {name: np.zeros(shape, "float32") for name, shape in arrays.items()}
    with pytest.raises(CheckpointError, match=message):
        match_variables(given, {"a/kernel": (2, 3)}, "x")
