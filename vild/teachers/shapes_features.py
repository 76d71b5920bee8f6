"""A small convolutional network in NumPy: crops -> what is drawn on them.

Its weights come from `benchmarks/fit_shapes_teacher.py`.
"""

import numpy as np

from vild.teachers.packed import packed_weights

SIDE = 64
"""Side in pixels of the images that the network looks at."""
STRIDES = (2, 2, 1, 2, 1, 2)
"""Strides of the convolutions."""
# Images that are computed together: their columns fit into the processor's cache.
_TOGETHER = 16
# Multiplications in one matrix product. OpenBLAS does not divide so small a product
# among threads: it is as fast, waits for nobody, and has the same bits with any
# number of cores.
_ALONE = 1 << 18


def load_weights() -> dict[str, np.ndarray]:
    """The weights as shipped, in half precision.

    Returns:
        `kernel0` to `kernel5`, each (side, side, channels in, channels out), and
        `bias0` to `bias5`, for the convolutions; `kernel6`, (features, outputs),
        and `bias6` for the outputs; `words`, what the outputs mean, in order.

    Example:
        >>> load_weights()["words"][:3].tolist()
        ['red', 'orange', 'yellow']
    """
    return packed_weights("shapes_weights.npz")


def logits(images: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Applies the network.

    Matrix products hold pixels of one image each and are of shapes that do not
    depend on how many images there are: so a row has the same bits in whatever
    company.

    Args:
        images: (N, 64, 64, 3) uint8 RGB.
        weights: as from `load_weights`.

    Returns:
        (N, outputs) float32, in the order of `words`.

    Example:
        >>> logits(np.zeros((2, 64, 64, 3), np.uint8), load_weights()).shape
        (2, 30)
    """
    single = {
        name: array.astype(np.float32)
        for name, array in weights.items()
        if name != "words"
    }
    rows = np.empty((len(images), len(weights["words"])), np.float32)
    for start in range(0, len(images), _TOGETHER):
        part = images[start : start + _TOGETHER].astype(np.float32)
        part = part / np.float32(127.5) - np.float32(1)
        for layer, stride in enumerate(STRIDES):
            part = _convolved(
                part, single[f"kernel{layer}"], single[f"bias{layer}"], stride
            )
        last = len(STRIDES)
        part = part.reshape(len(part), 1, -1) @ single[f"kernel{last}"]
        rows[start : start + _TOGETHER] = part[:, 0] + single[f"bias{last}"]
    return rows


def softmax(rows: np.ndarray) -> np.ndarray:
    """Turns logits into shares.

    Args:
        rows: (N, K) float32.

    Returns:
        (N, K) float32, each row positive with sum 1.

    Example:
        >>> softmax(np.zeros((1, 4), np.float32)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _convolved(
    maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int
) -> np.ndarray:
    """A convolution padded by half a kernel, and a rectifier: (N, H, W, C)."""
    side, _, channels, outputs = kernel.shape
    count, height, width = len(maps), *(-(-n // stride) for n in maps.shape[1:3])
    edge = side // 2
    padded = np.pad(maps, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    down, right = padded.strides[1:3]
    windows = np.lib.stride_tricks.as_strided(
        padded,
        (count, height, width, side, side, channels),
        (padded.strides[0], down * stride, right * stride, *padded.strides[1:]),
        writeable=False,
    )
    rows = height * width  # a power of two
    while rows * kernel.size > _ALONE and rows % 2 == 0:
        rows //= 2
    columns = windows.reshape(count, -1, rows, side * side * channels)
    result = columns @ kernel.reshape(-1, outputs)
    result += bias
    np.maximum(result, 0, out=result)
    return result.reshape(count, height, width, outputs)
