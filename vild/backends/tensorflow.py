"""Kernels on TensorFlow: graph, eager and XLA (`jit_compile=True`) alike."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from vild.backends.devices_tensorflow import (
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
    # Taps unrolled: under XLA gather, scaling and sum fuse into one pass.
    weights = tf.cast(weights, table.dtype)
    total = tf.gather(table, indices[:, 0]) * weights[:, :1]
    for tap in range(1, indices.shape[1]):
        total += tf.gather(table, indices[:, tap]) * weights[:, tap : tap + 1]
    return total


def similarities(vectors: Any, rows: Any) -> Any:
    """The product of every row with every vector.

    Args:
        vectors: (B, N, D) float32.
        rows: (K, D) float32.

    Returns:
        (B, K, N) float32.
    """
    return tf.einsum("kd,bnd->bkn", rows, vectors)


def top_k(values: Any, k: int) -> tuple[Any, Any]:
    """The largest values of each row, ties in order of position.

    Args:
        values: (B, M) float32.
        k: how many, at most M; static.

    Returns:
        (B, k) values in descending order and (B, k) int32 positions.
    """
    return tf.math.top_k(values, k)


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
    overlaps = suppresses(boxes, boxes)
    batch, candidates = tf.shape(items)[0], tf.shape(items)[1]
    slots = tf.range(limit)[None]

    def body(i: Any, count: Any, kept: Any, kept_items: Any, kept_groups: Any) -> Any:
        item, group = items[:, i, None], groups[:, i, None]
        rows = tf.gather(overlaps, item[:, 0], batch_dims=1)
        hit = tf.gather(rows, kept_items, batch_dims=1) & (kept_groups == group)
        taken = slots < count[:, None]
        # Images that are full wait for the others.
        keep = eligible[:, i] & ~tf.reduce_any(hit & taken, axis=1) & (count < limit)
        here = keep[:, None] & (slots == count[:, None])
        return (
            i + 1,
            count + tf.cast(keep, tf.int32),
            tf.where(here, i, kept),
            tf.where(here, item, kept_items),
            tf.where(here, group, kept_groups),
        )

    def unfinished(i: Any, count: Any, *_: Any) -> Any:
        return (i < candidates) & tf.reduce_any(count < limit)

    empty = tf.fill((batch, limit), -1)
    start = (0, tf.zeros((batch,), tf.int32), empty, tf.zeros_like(empty), empty)
    _, count, kept, _, _ = tf.while_loop(unfinished, body, start)
    return kept, count


def compile(function: Callable[..., Any], variables: Sequence[Any]) -> Callable:
    """Compiles a function of arrays that reads Keras variables.

    Args:
        function: takes and returns (nests of) tensors; changes no variable.
        variables: not needed here: TensorFlow captures variables by reference.

    Returns:
        A function of the same arguments.
    """
    del variables
    # Nothing here needs autograph, and its rewriting hides the lines of errors.
    return tf.function(function, jit_compile=True, autograph=False)
