"""Kernels on JAX: everything here traces under `jax.jit`, on CPU, GPU and TPU."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax

from vild.backends.devices_jax import (
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


def weighted_gather(table: Any, indices: Any, weights: Any) -> Any:
    """Sums weighted rows of a table.

    Args:
        table: (R, C) rows.
        indices: (M, T) int32, T taps into the table for each output row.
        weights: (M, T), the weight of each tap.

    Returns:
        (M, C) in the table's dtype.
    """
    # Taps unrolled: XLA fuses gather, scaling and sum into one pass, an order
    # of magnitude faster on CPU than one (M, T, C) gather and a contraction.
    weights = weights.astype(table.dtype)
    total = table[indices[:, 0]] * weights[:, :1]
    for tap in range(1, indices.shape[1]):
        total += table[indices[:, tap]] * weights[:, tap : tap + 1]
    return total


def similarities(vectors: Any, rows: Any) -> Any:
    """The product of every row with every vector.

    Args:
        vectors: (B, N, D) float32.
        rows: (K, D) float32.

    Returns:
        (B, K, N) float32.
    """
    return jnp.einsum("kd,bnd->bkn", rows, vectors)


def top_k(values: Any, k: int) -> tuple[Any, Any]:
    """The largest values of each row, ties in order of position.

    Args:
        values: (B, M) float32.
        k: how many, at most M; static.

    Returns:
        (B, k) values in descending order and (B, k) int32 positions.
    """
    return lax.top_k(values, k)


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

    def one(overlaps: Any, items: Any, groups: Any, eligible: Any) -> Any:
        candidates = items.shape[0]
        slots = jnp.arange(limit)

        def body(state: Any) -> Any:
            i, count, kept, kept_items, kept_groups = state
            hit = overlaps[items[i]][kept_items] & (kept_groups == groups[i])
            keep = eligible[i] & ~jnp.any(hit & (slots < count))
            here = keep & (slots == count)
            return (
                i + 1,
                count + keep,
                jnp.where(here, i, kept),
                jnp.where(here, items[i], kept_items),
                jnp.where(here, groups[i], kept_groups),
            )

        def unfinished(state: Any) -> Any:
            return (state[0] < candidates) & (state[1] < limit)

        empty = jnp.full((limit,), -1, "int32")
        start = (0, 0, empty, jnp.zeros((limit,), "int32"), empty)
        _, count, kept, _, _ = lax.while_loop(unfinished, body, start)
        return kept, count

    overlaps = suppresses(boxes, boxes)
    return jax.vmap(one)(overlaps, items, groups, eligible)


def compile(function: Callable[..., Any], variables: Sequence[Any]) -> Callable:
    """Compiles a function of arrays that reads Keras variables.

    Args:
        function: takes and returns (nests of) arrays; changes no variable.
        variables: every variable that it reads; passed as arguments, so that
            the weights are not baked into the program as constants.

    Returns:
        A function of the same arguments.
    """

    @jax.jit
    def pure(values: list[Any], *arguments: Any) -> Any:
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*arguments)

    def run(*arguments: Any) -> Any:
        return pure([variable.value for variable in variables], *arguments)

    return run
