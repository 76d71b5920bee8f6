import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vild.backends import keras, kernels
from vild.ops.nms import nms
from vild.ops.proposals import generate_proposals
from vild.ops.roi_crop import roi_crop

ops = keras.ops


@settings(max_examples=40)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=24, max_size=24))
def test_top_k_keeps_the_order_of_ties(values):
    rows = np.array(values, "float32").reshape(2, 12)
    for k in (1, 5, 12):
        best, index = kernels.top_k(ops.convert_to_tensor(rows), k)
        expected = np.argsort(-rows, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(ops.convert_to_numpy(index), expected)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(best), np.take_along_axis(rows, expected, 1)
        )


def test_weighted_gather():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 6)).astype("float32")
    indices = rng.integers(0, 50, (30, 4)).astype("int32")
    weights = rng.normal(size=(30, 4)).astype("float32")
    found = kernels.weighted_gather(
        *map(ops.convert_to_tensor, (table, indices, weights))
    )
    expected = (table[indices] * weights[..., None]).sum(1)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-5)


def programs():
    """The kernels inside whole functions, with inputs."""
    rng = np.random.default_rng(0)
    maps = [
        rng.normal(size=(2, 64 >> i, 64 >> i, 4)).astype("float32") for i in range(5)
    ]
    corner = rng.uniform(0, 150, (2, 30, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 100, (2, 30, 2))], -1)
    boxes = boxes.astype("float32")
    scores = [rng.normal(size=(2, *m.shape[1:3], 3)).astype("float32") for m in maps]
    deltas = [rng.normal(size=(2, *m.shape[1:3], 12)).astype("float32") for m in maps]
    shape = np.full((2, 2), 256, "float32")
    return {
        "roi_crop": (lambda maps, boxes: roi_crop(maps, 2, boxes, 7), (maps, boxes)),
        "nms": (lambda boxes: nms(boxes, 0.3, 20), (boxes,)),
        "proposals": (
            lambda s, d, shape: generate_proposals(s, d, range(2, 7), shape, 50, 40),
            (scores, deltas, shape),
        ),
    }


@pytest.mark.parametrize("name", ["roi_crop", "nms", "proposals"])
def test_compiled_programs_equal_eager_ones(name):
    function, arrays = programs()[name]
    tensors = keras.tree.map_structure(ops.convert_to_tensor, arrays)
    eager = keras.tree.map_structure(ops.convert_to_numpy, function(*tensors))
    run = kernels.compile(function, [])
    fast = keras.tree.map_structure(ops.convert_to_numpy, run(*tensors))
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), fast, eager
    )


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the other backends always compile"
)
@pytest.mark.parametrize("name", ["roi_crop", "nms", "proposals"])
def test_torch_compile_gives_the_same(name, pytestconfig):
    import torch

    function, arrays = programs()[name]
    tensors = keras.tree.map_structure(ops.convert_to_tensor, arrays)
    # "eager" traces and cuts the graph as the default does, without the minute
    # of code generation and without a C++ compiler.
    backend = "inductor" if pytestconfig.getoption("slow", False) else "eager"
    with torch.no_grad():
        expected = function(*tensors)
        found = torch.compile(function, backend=backend)(*tensors)
    keras.tree.map_structure(
        lambda a, b: torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4),
        found,
        expected,
    )


def test_compiled_functions_see_new_weights():
    """Weights are read at every call, not baked into the program."""
    dense = keras.layers.Dense(1, use_bias=False)
    dense.build((None, 1))
    run = kernels.compile(lambda x: dense(x), dense.variables)
    one = ops.convert_to_tensor(np.ones((1, 1), "float32"))
    for value in (2.0, 3.0):
        dense.kernel.assign([[value]])
        assert float(ops.convert_to_numpy(run(one))[0, 0]) == value
