"""Devices that train together on TensorFlow."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from vild.replicas import Replicas, check_devices


def mean_over_replicas(value: Any) -> Any:
    """The mean of a value over the devices that share a batch.

    Args:
        value: any tensor; differentiable.

    Returns:
        The same shape.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def share_of_sum(loss: Any) -> Any:
    """A device's part of a loss, since gradients are summed over devices.

    Args:
        loss: the mean over devices is meant.

    Returns:
        The loss by the number of devices.
    """
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def data_parallel(layer: Any) -> Callable[..., Any]:
    """A layer as it is called where processes share the work.

    Args:
        layer: built.

    Returns:
        The same: Keras's optimisers gather the gradients.
    """
    return layer


@contextlib.contextmanager
def devices(number: int | None = None) -> Iterator[Replicas]:
    """The devices that a training inside the block runs on.

    TPUs go before GPUs, and those before CPUs. Several hosts are found by the
    variable `TF_CONFIG`.

    Args:
        number: how many; None for all there are.

    Yields:
        What is known of them.

    Raises:
        InputError: if there are not so many.
    """
    strategy, index, processes = _strategy(number)
    if strategy is None:
        yield Replicas()
        return
    replicas = Replicas(
        strategy.num_replicas_in_sync,
        index,
        processes,
        per_program=True,
        # Collectives between replicas are no part of what XLA compiles on CPU and GPU.
        compiled=isinstance(strategy, tf.distribute.TPUStrategy),
    )
    with strategy.scope():
        yield replicas


def _strategy(number: int | None) -> tuple[Any, int, int]:
    """The strategy, if one is needed, this process and how many there are."""
    if "TF_CONFIG" in os.environ:
        many = tf.distribute.MultiWorkerMirroredStrategy()
        resolver = many.cluster_resolver
        processes = many.extended._num_workers
        return many, resolver.task_id, processes
    for kind in ("TPU", "GPU", "CPU"):
        found = tf.config.list_logical_devices(kind)
        if found:
            break
    names = [device.name for device in check_devices(number, found)]
    if kind == "TPU":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        return tf.distribute.TPUStrategy(resolver), 0, 1
    if len(names) == 1:
        return None, 0, 1
    return tf.distribute.MirroredStrategy(names), 0, 1
