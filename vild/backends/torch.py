"""Kernels on PyTorch: eager, or under `torch.compile`, on CPU and GPU."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from vild.backends.devices_torch import (
    anywhere,
    data_parallel,
    devices,
    mean_over_parts,
    mean_over_replicas,
    share_of_sum,
)

__all__ = [
    "anywhere",
    "compile",
    "data_parallel",
    "devices",
    "greedy_nms",
    "mean_over_parts",
    "mean_over_replicas",
    "share_of_sum",
    "similarities",
    "top_k",
    "weighted_gather",
]

# Candidates are settled a tile at a time: within a tile all at once, between
# tiles in order. Bigger tiles mean fewer steps but quadratically more work.
_TILE = 512


def weighted_gather(table: Any, indices: Any, weights: Any) -> Any:
    """Sums weighted rows of a table.

    Args:
        table: (R, C) rows.
        indices: (M, T) int32, T taps into the table for each output row.
        weights: (M, T), the weight of each tap.

    Returns:
        (M, C) in the table's dtype.
    """
    # `embedding_bag` is exactly this sum, and PyTorch's fastest way to it.
    return torch.nn.functional.embedding_bag(
        indices, table, mode="sum", per_sample_weights=weights.to(table.dtype)
    )


def similarities(vectors: Any, rows: Any) -> Any:
    """The product of every row with every vector.

    Args:
        vectors: (B, N, D) float32.
        rows: (K, D) float32.

    Returns:
        (B, K, N) float32.
    """
    if vectors.device.type == "cpu":
        # A convolution of width 1 is the same product. PyTorch computes it with
        # oneDNN, on CPUs that are not Intel's twice as fast as its matmul.
        return torch.nn.functional.conv1d(vectors.transpose(1, 2), rows[:, :, None])
    return rows @ vectors.transpose(1, 2)


def top_k(values: Any, k: int) -> tuple[Any, Any]:
    """The largest values of each row, ties in order of position.

    Args:
        values: (B, M) float32.
        k: how many, at most M; static.

    Returns:
        (B, k) values in descending order and (B, k) int32 positions.
    """
    best, index = zip(*(_top_k(row, k) for row in values), strict=True)
    return torch.stack(best), torch.stack(index)


@torch.compiler.disable
def _top_k(values: Any, k: int) -> tuple[Any, Any]:
    """`top_k` of one row.

    `torch.topk` orders ties as it likes and looks at a million values one by one.
    Here the k-th best of the maxima of groups is a floor that at least k values
    reach; the few that do are sorted, ties staying in order.
    """
    group = max(values.shape[0] // (4 * k), 1)
    whole = values.shape[0] // group * group
    maxima = values[:whole].reshape(-1, group).amax(1)
    floor = torch.topk(maxima, k, sorted=False).values.min()
    reached = (values >= floor).nonzero()[:, 0]
    if reached.shape[0] < k:  # numbers that are none reach nothing
        reached = torch.arange(values.shape[0], device=values.device)
    best, order = values[reached].sort(descending=True, stable=True)
    return best[:k], reached[order[:k]].to(torch.int32)


def _settle(suppresses: Any, alive: Any) -> Any:
    """Solves greedy suppression within a tile.

    Starting from "all alive are kept", candidates with a kept suppressor before
    them are dropped, until nothing changes. By induction over the order the
    first i candidates are right after i rounds; in practice chains are short.

    Args:
        suppresses: (T, T) float, 1 where the row would suppress the column and
            comes before it.
        alive: (T,) bool.

    Returns:
        (T,) bool, kept.
    """
    kept = alive
    while True:
        now = alive & (kept.to(suppresses.dtype) @ suppresses == 0)
        if torch.equal(now, kept):
            return kept
        kept = now


@torch.compiler.disable
def _greedy_nms(
    boxes: Any,
    items: Any,
    groups: Any,
    eligible: Any,
    limit: int,
    suppresses: Callable[[Any, Any], Any],
) -> Any:
    """Greedy suppression for one image; see `greedy_nms`."""
    device = items.device
    kept = torch.empty(0, dtype=torch.long, device=device)
    before = torch.ones(_TILE, _TILE, device=device).triu(1)

    def hits(a: Any, b: Any) -> Any:
        same = groups[a, None] == groups[None, b]
        return suppresses(boxes[None, items[a]], boxes[None, items[b]])[0] & same

    for start in range(0, items.shape[0], _TILE):
        tile = torch.arange(start, min(start + _TILE, items.shape[0]), device=device)
        alive = eligible[tile] & ~hits(kept, tile).any(0)
        size = tile.shape[0]
        inside = hits(tile, tile).float() * before[:size, :size]
        kept = torch.cat([kept, tile[_settle(inside, alive)]])
        if kept.shape[0] >= limit:
            break
    return kept[:limit]


def greedy_nms(
    boxes: Any,
    items: Any,
    groups: Any,
    eligible: Any,
    limit: int,
    suppresses: Callable[[Any, Any], Any],
) -> tuple[Any, Any]:
    """Keeps candidates in order unless an earlier kept one suppresses them.

    Args:
        boxes: (B, N, 4) float32.
        items: (B, M) int32, the box of each candidate, best candidate first.
        groups: (B, M) int32; only candidates of one group suppress each other.
        eligible: (B, M) bool; the others are passed over.
        limit: how many to keep at most; static.
        suppresses: from (B, n, 4) and (B, m, 4) boxes to (B, n, m) bool: would
            the one suppress the other; symmetric.

    Returns:
        `kept` (B, limit) int32, positions among the candidates in order, -1
        where there are fewer; `count` (B,) int32.
    """
    batch = items.shape[0]
    kept = torch.full((batch, limit), -1, dtype=torch.int32, device=items.device)
    count = torch.zeros(batch, dtype=torch.int32, device=items.device)
    for b in range(batch):
        one = _greedy_nms(
            boxes[b], items[b].long(), groups[b], eligible[b], limit, suppresses
        )
        kept[b, : one.shape[0]] = one.to(torch.int32)
        count[b] = one.shape[0]
    return kept, count


def compile(function: Callable[..., Any], variables: Sequence[Any]) -> Callable:
    """Makes a function of arrays that reads Keras variables ready for inference.

    Args:
        function: takes and returns (nests of) tensors; changes no variable.
        variables: not needed here: PyTorch holds parameters by reference.

    Returns:
        A function of the same arguments. It runs eagerly: `torch.compile` takes
        many seconds for the first picture and gains little on CPU.
    """
    del variables

    def run(*arguments: Any) -> Any:
        with torch.inference_mode():
            return function(*arguments)

    return run
