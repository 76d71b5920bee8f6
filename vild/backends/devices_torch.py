"""Devices that train together on PyTorch."""

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import distributed

from vild.errors import InputError
from vild.replicas import Replicas

_PATIENCE = datetime.timedelta(hours=6)


def mean_over_replicas(value: Any) -> Any:
    """The mean of a value over the processes that share a batch.

    Args:
        value: any tensor; differentiable.

    Returns:
        The same shape.
    """
    if not _in_group():
        return value
    return _Mean.apply(value)


def mean_over_parts(function: Callable[..., Any], *trees: Any) -> Any:
    """The mean of what a function gives for the part of the batch of each device.

    Args:
        function: from the trees to scalars, in a dictionary.
        *trees: nested structures of tensors (B, ...).

    Returns:
        What the function returns: a process sees the part of one device only, and
        gradients are averaged.
    """
    return function(*trees)


def anywhere(flag: bool) -> bool:
    """Whether something holds in one of the processes that share a batch.

    Args:
        flag: whether it holds here.

    Returns:
        The same in all of them.
    """
    if not _in_group():
        return flag
    where = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    value = torch.tensor(float(flag), device=where)
    distributed.all_reduce(value, distributed.ReduceOp.MAX)
    return bool(value > 0)


def share_of_sum(loss: Any) -> Any:
    """A process's part of a loss, if gradients are summed over processes.

    Args:
        loss: the mean over processes is meant.

    Returns:
        The same: gradients are averaged.
    """
    return loss


def data_parallel(layer: Any) -> Callable[..., Any]:
    """A layer as it is called where processes share the work.

    Args:
        layer: built. Its variables become those of the first process.

    Returns:
        `DistributedDataParallel` in a group of processes, which averages gradients
        while they are computed; else the layer.
    """
    if not _in_group():
        return layer
    parallel = torch.nn.parallel.DistributedDataParallel(layer)
    # In a function, so that Keras does not take it for a part of the model.
    return lambda *arguments: parallel(*arguments)


class _Mean(torch.autograd.Function):
    """The mean over processes, of values forward and of gradients backward."""

    @staticmethod
    def forward(context: Any, value: Any) -> Any:
        del context
        total = value.clone()
        distributed.all_reduce(total)
        return total / distributed.get_world_size()

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        del context
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total / distributed.get_world_size()


def _in_group() -> bool:
    return distributed.is_initialized() and distributed.get_world_size() > 1


@contextlib.contextmanager
def devices(number: int | None = None) -> Iterator[Replicas]:
    """The devices that a training inside the block runs on.

    A process has one device; several are started by `torchrun`, on one host or on
    several.

    Args:
        number: how many; None for as many as there are processes.

    Yields:
        What is known of them.

    Raises:
        InputError: if there are not so many.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if number is not None and number != count:
        raise InputError(
            f"On PyTorch every device has a process of its own, and there "
            f"{'is 1' if count == 1 else f'are {count}'}: for {number} start with "
            f"`torchrun --nproc-per-node={number} -m vild train ...`."
        )
    if count == 1:
        yield Replicas(compiled=False)
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    started = not distributed.is_initialized()
    if started:
        # The others wait while the first process looks at a validation set.
        distributed.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE
        )
    try:
        yield Replicas(count, distributed.get_rank(), count, True, compiled=False)
    finally:
        if started:
            distributed.destroy_process_group()
