"""Kernels on PyTorch: eager, or under `torch.compile`, on CPU and GPU."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

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


def top_k(values: Any, k: int) -> tuple[Any, Any]:
    """The largest values of each row, ties in order of position.

    Args:
        values: (B, M) float32.
        k: how many, at most M; static.

    Returns:
        (B, k) values in descending order and (B, k) int32 positions.
    """
    # `torch.topk` picks and orders ties as it likes. So it only finds the last
    # value that gets in; of those equal to it, the first ones fill up.
    last = torch.topk(values, k, dim=-1).values[:, -1:]
    above, level = values > last, values == last
    room = k - above.sum(-1, keepdim=True)
    chosen = above | (level & (level.cumsum(-1) <= room))
    index = chosen.nonzero()[:, 1].reshape(-1, k)
    best, order = values.gather(1, index).sort(dim=-1, descending=True, stable=True)
    return best, index.gather(1, order).to(torch.int32)


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
    overlaps: Any, items: Any, groups: Any, eligible: Any, limit: int
) -> Any:
    """Greedy suppression for one image; see `greedy_nms`."""
    device = items.device
    kept = torch.empty(0, dtype=torch.long, device=device)
    before = torch.ones(_TILE, _TILE, device=device).triu(1)
    for start in range(0, items.shape[0], _TILE):
        tile = slice(start, start + _TILE)
        item, group = items[tile], groups[tile]
        hit = overlaps[items[kept]][:, item] & (groups[kept, None] == group)
        alive = eligible[tile] & ~hit.any(0)
        inside = overlaps[item][:, item] & (group[:, None] == group)
        size = item.shape[0]
        new = _settle(inside.float() * before[:size, :size], alive)
        kept = torch.cat([kept, start + new.nonzero()[:, 0]])
        if kept.shape[0] >= limit:
            break
    return kept[:limit]


def greedy_nms(
    overlaps: Any, items: Any, groups: Any, eligible: Any, limit: int
) -> tuple[Any, Any]:
    """Keeps candidates in order unless an earlier kept one suppresses them.

    Args:
        overlaps: (B, N, N) bool, symmetric: do items i and j suppress each other.
        items: (B, M) int32, the item of each candidate, best candidate first.
        groups: (B, M) int32; only candidates of one group suppress each other.
        eligible: (B, M) bool; the others are passed over.
        limit: how many to keep at most.

    Returns:
        `kept` (B, limit) int32, positions among the candidates in order, -1
        where there are fewer; `count` (B,) int32.
    """
    batch = items.shape[0]
    kept = torch.full((batch, limit), -1, dtype=torch.int32, device=items.device)
    count = torch.zeros(batch, dtype=torch.int32, device=items.device)
    for b in range(batch):
        one = _greedy_nms(overlaps[b], items[b], groups[b], eligible[b], limit)
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
