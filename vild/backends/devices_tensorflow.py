"""Devices that train together on TensorFlow."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from vild.errors import InputError
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


def mean_over_parts(function: Callable[..., Any], *trees: Any) -> Any:
    """The mean of what a function gives for the part of the batch of each device.

    Args:
        function: from the trees to scalars, in a dictionary.
        *trees: nested structures of tensors (B, ...).

    Returns:
        What the function returns: a program sees the part of one device only, and
        gradients are averaged.
    """
    return function(*trees)


def anywhere(flag: bool) -> bool:
    """Whether something holds in one of the processes that share a batch.

    Args:
        flag: whether it holds here.

    Returns:
        The same: no other process is asked.
    """
    return flag


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
    if os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"):
        return _tpu(number), 0, 1
    for kind in ("GPU", "CPU"):
        found = tf.config.list_logical_devices(kind)
        if found:
            break
    names = [device.name for device in check_devices(number, found)]
    if len(names) == 1:
        return None, 0, 1
    return tf.distribute.MirroredStrategy(names), 0, 1


def _tpu(number: int | None) -> Any:
    """The strategy of a whole TPU, which must be started before it is seen."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
        tpu=os.environ.get("TPU_NAME", "local")
    )
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    strategy = tf.distribute.TPUStrategy(resolver)
    check_devices(number, [None] * strategy.num_replicas_in_sync)
    if number not in (None, strategy.num_replicas_in_sync):
        raise InputError(
            f"A TPU is used whole, {strategy.num_replicas_in_sync} devices here, but "
            f"{number} were asked for: leave the number out."
        )
    return strategy
