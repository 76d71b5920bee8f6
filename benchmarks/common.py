"""What the benchmarks share: a model, a photo, a clock and the machine's peak."""

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CLASSES = 1203


def best(run: Callable[[], Any], repeats: int = 5) -> float:
    """Seconds of the fastest run after a first one that may compile."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def wait(value: Any) -> Any:
    """Brings a nest of arrays to the host, so that the clock sees all work."""
    from vild.backends import keras

    return keras.tree.map_structure(keras.ops.convert_to_numpy, value)


def matmul_peak(size: int = 3072) -> float:
    """The best float32 GFLOP/s of NumPy's and of the backend's matmul, now."""
    from vild.backends import keras

    a = np.random.default_rng(0).random((size, size), dtype="float32")
    tensor = keras.ops.convert_to_tensor(a)
    seconds = min(
        best(lambda: a @ a, 3),
        best(lambda: np.asarray(wait(keras.ops.matmul(tensor, tensor))), 3),
    )
    return 2 * size**3 / seconds / 1e9


def peak_memory() -> float:
    """Peak resident memory of this process in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def photo(height: int = 480, width: int = 640) -> np.ndarray:
    """Rectangles on noise."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
    for _ in range(25):
        y, x = rng.integers(0, height - 40), rng.integers(0, width - 40)
        h, w = rng.integers(20, 200, 2)
        image[y : y + h, x : x + w] = rng.integers(0, 255, 3)
    return image


def detector(dtype: str = "float32", **settings: Any) -> Any:
    """An R50 ensemble with random weights that keep activations in range."""
    import vild
    from vild.layers import blank_weights

    with blank_weights():
        policy = dtype if dtype == "float32" else f"mixed_{dtype}"
        model = vild.ViLD(50, ensemble=True, dtype=policy)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        leaf = variable.path.rsplit("/", 1)[-1]
        shape = tuple(variable.shape)
        if leaf in ("kernel", "background"):
            value = rng.standard_normal(shape, dtype="float32")
            value -= value.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
            value *= np.sqrt(2 / max(np.prod(shape[:-1]), 1))
            if variable.path == "rpn/deltas/kernel":
                value *= 0.3
        elif leaf == "gamma":
            value = np.full(shape, 0.6)
        else:
            value = np.full(shape, 1.0 if leaf == "moving_variance" else 0.0)
        variable.assign(np.asarray(value, "float32"))
    rows = rng.standard_normal((CLASSES, 512), dtype="float32")
    words = vild.Vocabulary([f"class {i}" for i in range(CLASSES)], rows, base=True)
    return vild.Detector(model, words, score_threshold=0.0, dtype=dtype, **settings)


def with_ends(value: Any, sign: str = "") -> str:
    """An `Interval` in per cent: 1.2 (0.8 to 1.6).

    Args:
        value: of `vild.evaluation.bootstrap`.
        sign: `+` shows that of positive numbers too.
    """
    middle, low, high = (
        f"{100 * number:{sign}.1f}" for number in (value.value, value.low, value.high)
    )
    return f"{middle} ({low} to {high})"


def box_cells(found: Any, samples: int = 300) -> str:
    """Box AP50 of base and novel classes and box AP, as cells of a Markdown table.

    Args:
        found: an `Evaluation`.
        samples: of the bootstrap over images.
    """
    from vild.evaluation.bootstrap import intervals

    ranges = intervals(found.scored["bbox"], found.protocol, samples)
    names = ("AP50_base", "AP50_novel", "AP")
    return " | ".join(with_ends(ranges[name]) for name in names)


def heading(title: str) -> None:
    """Says what is measured, on what."""
    from vild.backends import keras

    print(f"## {title}: {keras.backend.backend()}, {os.cpu_count()} CPUs")


class Kept:
    """A dataset whose examples stay in memory: drawing takes as long as learning."""

    def __init__(self, dataset: Any) -> None:
        self._dataset, self._examples = dataset, {}
        self.name, self.fingerprint = dataset.name, dataset.fingerprint
        self.categories = dataset.categories

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        if index not in self._examples:
            self._examples[index] = self._dataset[index]
        return self._examples[index]
