"""The building blocks of every part of the model."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

from vild.backends import keras, kernels
from vild.errors import InputError

ops = keras.ops

# Released behaviour; not the defaults of any framework.
BATCH_NORM = {"momentum": 0.997, "epsilon": 1e-4}


_BLANK = contextvars.ContextVar("blank", default=False)


@contextlib.contextmanager
def blank_weights() -> Iterator[None]:
    """Makes kernels zeros inside the block, for models about to be loaded.

    Random initial values of 65 million weights cost seconds (on JAX eight, one
    compilation per shape) and are thrown away.

    Yields:
        Nothing.
    """
    token = _BLANK.set(True)
    try:
        yield
    finally:
        _BLANK.reset(token)


def initial(initializer: Any) -> Any:
    """The initialiser, or zeros inside `blank_weights`.

    Args:
        initializer: of a model trained from scratch.

    Returns:
        What to give to Keras.
    """
    return "zeros" if _BLANK.get() else initializer


def dense(units: int, name: str, **options: Any) -> Any:
    """A fully connected layer.

    Args:
        units: width of the output.
        name: layer name; part of the variable names in a checkpoint.
        **options: further arguments of `keras.layers.Dense`.

    Returns:
        The layer.
    """
    options = {"kernel_initializer": "glorot_uniform", **options}
    options["kernel_initializer"] = initial(options["kernel_initializer"])
    return keras.layers.Dense(units, name=name, **options)


def conv(filters: int, size: int, name: str, **options: Any) -> Any:
    """A convolution in NHWC, whatever Keras's configuration file says.

    Args:
        filters: output channels.
        size: height and width of the kernel.
        name: layer name; part of the variable names in a checkpoint.
        **options: further arguments of `keras.layers.Conv2D`.

    Returns:
        The layer.
    """
    options = {
        "padding": "same",
        "data_format": "channels_last",
        "kernel_initializer": "glorot_uniform",
        **options,
    }
    options["kernel_initializer"] = initial(options["kernel_initializer"])
    return keras.layers.Conv2D(filters, size, name=name, **options)


def batch_norm(name: str) -> Any:
    """A batch normalisation with the released momentum and epsilon.

    Args:
        name: layer name; part of the variable names in a checkpoint.

    Returns:
        The layer.
    """
    return BatchNormalization(axis=-1, name=name, **BATCH_NORM)


@keras.saving.register_keras_serializable("vild")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation whose statistics several devices can share.

    Keras itself can share them on TensorFlow only. The name is that of Keras, which it
    writes into files of weights.

    Attributes:
        shared: whether statistics are those of the whole batch, where devices or
            processes each see a part of it. On JAX they always are.
    """

    shared = False

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        if not self.shared:
            return super()._moments(inputs, mask)
        axes = list(range(len(inputs.shape) - 1))
        mean = kernels.mean_over_replicas(ops.mean(inputs, axes))
        square = kernels.mean_over_replicas(ops.mean(ops.square(inputs), axes))
        return mean, ops.maximum(square - ops.square(mean), 0.0)


def set_batch_norm(model: Any, momentum: float, shared: bool = False) -> None:
    """Says how the batch norms of a model keep statistics.

    Args:
        model: any layer.
        momentum: how much of the old statistics stays at each step.
        shared: whether devices that each have a part of the batch share statistics.

    Raises:
        InputError: if they shall be shared, and some batch norms are not our own.
    """
    for layer in model._flatten_layers():
        foreign = not isinstance(layer, BatchNormalization)
        if shared and foreign and isinstance(layer, keras.layers.BatchNormalization):
            raise InputError(
                "model.share_batch_norm=true needs a backbone whose batch norms are "
                f"vild.layers.BatchNormalization; {layer.name!r} is Keras's own, which "
                "every device keeps for itself: leave the setting out."
            )
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
        if isinstance(layer, BatchNormalization):
            layer.shared = shared


@contextlib.contextmanager
def default_policy(policy: Any) -> Iterator[None]:
    """Gives layers made inside the block this dtype policy.

    Args:
        policy: a Keras dtype policy or its name.

    Yields:
        Nothing.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Stack(keras.layers.Layer):
    """Layers applied one after the other: convolutions or dense, norm, ReLU.

    Args:
        layers: the layers in order.
        name: layer name; part of the variable names in a checkpoint.
    """

    def __init__(self, layers: list[Any], name: str) -> None:
        super().__init__(name=name)
        self.layers = layers

    def build(self, shape: Any) -> None:
        """Builds each layer on the output shape of the one before."""
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Applies the layers.

        Args:
            x: what the first layer takes.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            What the last layer gives.
        """
        for layer in self.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                x = layer(x, training=training)
            else:
                x = layer(x)
        return x

    def compute_output_shape(self, shape: Any) -> Any:
        """The shape after the last layer."""
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape
