"""Devices that train together on JAX."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import keras

from vild.replicas import Replicas, check_devices


def mean_over_replicas(value: Any) -> Any:
    """The mean of a value over the devices that share a batch.

    Args:
        value: any array; differentiable.

    Returns:
        The same: a program sees the batch of all devices at once.
    """
    return value


def mean_over_parts(function: Callable[..., Any], *trees: Any) -> Any:
    """The mean of what a function gives for the part of the batch of each device.

    Args:
        function: from the trees to scalars, in a dictionary.
        *trees: nested structures of arrays (B, ...); each device has a stretch of B.

    Returns:
        What the function returns.
    """
    distribution = keras.distribution.distribution()
    number = 1 if distribution is None else distribution.device_mesh.devices.size
    if number == 1:
        return function(*trees)
    parts = jax.tree.map(
        lambda x: jax.numpy.reshape(x, (number, x.shape[0] // number, *x.shape[1:])),
        trees,
    )
    each = jax.vmap(function)(*parts)
    return jax.tree.map(lambda x: jax.numpy.mean(x, axis=0), each)


def anywhere(flag: bool) -> bool:
    """Whether something holds in one of the processes that share a batch.

    Args:
        flag: whether it holds here.

    Returns:
        The same: no other process is asked.
    """
    return flag


def share_of_sum(loss: Any) -> Any:
    """A device's part of a loss, if gradients are summed over devices.

    Args:
        loss: the mean over devices is meant.

    Returns:
        The same: a program sees the batch of all devices at once.
    """
    return loss


def data_parallel(layer: Any) -> Callable[..., Any]:
    """A layer as it is called where processes share the work.

    Args:
        layer: built.

    Returns:
        The same: a program sees the batch of all devices at once.
    """
    return layer


@contextlib.contextmanager
def devices(number: int | None = None) -> Iterator[Replicas]:
    """The devices that a training inside the block runs on.

    Several hosts are found by the variables of `keras.distribution.initialize`.

    Args:
        number: how many; None for all there are.

    Yields:
        What is known of them.

    Raises:
        InputError: if there are not so many.
    """
    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
        keras.distribution.initialize()
    found = jax.devices()
    chosen = check_devices(number, found)
    replicas = Replicas(len(chosen), jax.process_index(), jax.process_count())
    if len(chosen) == 1:
        yield replicas
        return
    before = keras.distribution.distribution()
    names = [f"{device.platform}:{device.id}" for device in chosen]
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    )
    try:
        yield replicas
    finally:
        keras.distribution.set_distribution(before)
