"""A small convolutional network that learns where pictures of stickers lie."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vild.backends import keras

SIDE = 48
"""Side in pixels of the images that it looks at."""
DIM = 128
"""Numbers in a row."""
# Outputs and stride of each convolution of 3 x 3; 36 million multiplications in all.
LAYERS = (
    *((32, 2), (32, 1)),
    *((64, 2), (64, 1)),
    *((128, 2), (128, 1), (128, 1)),
    *((256, 2), (256, 1)),
)
"""Outputs and stride of each convolution."""


def make_network(*, normalised: bool = False) -> Any:
    """The network with random weights.

    Args:
        normalised: whether batch normalisation follows each convolution, as it does
            while the network is trained; `folded` makes it part of the convolutions.
            Images may then be of any size.

    Returns:
        A Keras model, (N, 48, 48, 3) float32 RGB in [-1, 1] -> (N, 128) float32.

    Example:
        >>> make_network().output_shape
        (None, 128)
    """
    layers = keras.layers
    side = None if normalised else SIDE
    images = keras.Input((side, side, 3))
    maps = images
    for number, (outputs, stride) in enumerate(LAYERS):
        # Padded evenly, so that every backend and a mirrored image agree.
        maps = layers.ZeroPadding2D(1)(maps)
        convolution = layers.Conv2D(
            outputs,
            3,
            stride,
            use_bias=not normalised,
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )
        maps = convolution(maps)
        if normalised:
            maps = layers.BatchNormalization(momentum=0.98, name=f"norm{number}")(maps)
        maps = layers.ReLU()(maps)
    pooled = layers.GlobalAveragePooling2D()(maps)
    return keras.Model(images, layers.Dense(DIM, name="dense")(pooled))


def folded(trained: Any) -> dict[str, np.ndarray]:
    """Weights without batch normalisation.

    Args:
        trained: a network that has it.

    Returns:
        float32 arrays by name, as `set_weights` takes them.
    """
    found = {}
    for number in range(len(LAYERS)):
        norm = trained.get_layer(f"norm{number}")
        gamma, beta, mean, variance = (
            keras.ops.convert_to_numpy(value)
            for value in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        )
        factor = gamma / np.sqrt(variance + norm.epsilon)
        kernel = trained.get_layer(f"conv{number}").kernel
        found[f"kernel{number}"] = keras.ops.convert_to_numpy(kernel) * factor
        found[f"bias{number}"] = beta - mean * factor
    dense = trained.get_layer("dense")
    found["kernel"] = keras.ops.convert_to_numpy(dense.kernel)
    found["bias"] = keras.ops.convert_to_numpy(dense.bias)
    return found


def set_weights(network: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Puts weights into a network without batch normalisation.

    Args:
        network: as `make_network` gives it.
        weights: arrays by name, as `folded` gives them, of any floating type.
    """
    for number in range(len(LAYERS)):
        layer = network.get_layer(f"conv{number}")
        layer.kernel.assign(weights[f"kernel{number}"].astype("float32"))
        layer.bias.assign(weights[f"bias{number}"].astype("float32"))
    dense = network.get_layer("dense")
    dense.kernel.assign(weights["kernel"].astype("float32"))
    dense.bias.assign(weights["bias"].astype("float32"))
