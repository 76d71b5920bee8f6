"""Gradients on the running backend, for tests."""

import numpy as np

from vild.backends import keras

ops = keras.ops


def value_and_gradients(function, *arrays):
    """A scalar function's value and its gradients in every array."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        value, found = jax.value_and_grad(function, tuple(range(len(arrays))))(*arrays)
    elif backend == "torch":
        tensors = [ops.convert_to_tensor(a).requires_grad_() for a in arrays]
        value = function(*tensors)
        value.backward()
        found = [tensor.grad for tensor in tensors]
        value = value.detach()
    else:
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(value, tensors)
    return float(ops.convert_to_numpy(value)), [
        np.asarray(ops.convert_to_numpy(gradient)) for gradient in found
    ]
