"""Scores and candidates of a vocabulary that is seen a chunk of classes at a time.

A first pass over the chunks gathers the two numbers that a softmax over all classes
divides by: the greatest logit of each region and the sum of `exp(logit - greatest)`.
They stay apart, for their logarithm, around 100, would be rounded to 1e-5. A second
pass computes the products of each chunk and merges its best pairs into the best of
the chunks before.

Arrays are class-major as in `scoring`; vectors of regions are as long as the
temperature, which is so applied once. What was gathered before stands first in
every merge, so that ties fall as in the whole: to the lower class, then to the
lower region.
"""

from typing import Any

import numpy as np

from vild.backends import keras, kernels
from vild.ops import scoring, selection

ops = keras.ops

_TINY = float(np.finfo("float32").tiny)
_LOWEST = -1e30  # below every logit, and finite: exp(-1e30 - x) is 0, not NaN


def logits(
    text: Any, image: Any | None, rows: Any, valid: Any = None
) -> tuple[Any, Any]:
    """Logits of some classes from both branches.

    Args:
        text: (B, N, D) float32 vectors of the text branch, as long as the
            temperature.
        image: (B, N, D) float32 of the image branch likewise, or None.
        rows: (C, D) float32 unit rows.
        valid: (C,) bool; rows that only pad get no logit. None: all.

    Returns:
        For each branch (B, C, N) float32; None for the image branch without one.
    """
    of_image = None if image is None else scoring.compare(image, rows, valid)
    return scoring.compare(text, rows, valid), of_image


def start(text: Any, image: Any | None, background: Any) -> tuple[Any, Any]:
    """What the softmaxes divide by, before any class was seen.

    The background is not compared together with the classes: libraries choose their
    loops by the number of rows, so that one more may round all logits otherwise.

    Args:
        text: as for `logits`.
        image: as for `logits`.
        background: (D,) float32, learned; only the text branch has it.

    Returns:
        For each branch `greatest`, `total` and by how much that is rounded up, all
        (B, N) float32; None for the image branch without one.
    """
    greatest = ops.matmul(text, scoring.normalise(background))
    zeros = ops.zeros_like(greatest)
    of_image = None
    if image is not None:
        of_image = ops.full_like(greatest, _LOWEST), zeros, zeros
    return (greatest, ops.ones_like(greatest), zeros), of_image


def count_in(sums: tuple[Any, Any], logits: tuple[Any, Any]) -> tuple[Any, Any]:
    """Some more classes in what the softmaxes divide by.

    Args:
        sums: what `start` or `count_in` gave.
        logits: what `logits` gave.

    Returns:
        The new `sums`, and `shares` of these classes in them.
    """
    branches = zip(sums, logits, strict=True)
    counted = [(None, None) if b is None else _count_in(a, b) for a, b in branches]
    new, shares = zip(*counted, strict=True)
    return new, shares


def _count_in(sums: Any, logits: Any) -> tuple[Any, Any]:
    before, total, excess = sums
    greatest = ops.maximum(before, ops.max(logits, axis=1))
    shares = ops.exp(logits - greatest[:, None])
    # By halves: one after another, thousands of small shares would be rounded
    # away beside a great one. For the same reason the sum over chunks remembers
    # what it was rounded up by (Kahan's summation).
    parts = shares
    while parts.shape[1] % 2 == 0:
        half = parts.shape[1] // 2
        parts = parts[:, :half] + parts[:, half:]
    smaller = ops.exp(before - greatest)
    added = ops.sum(parts, axis=1) - excess * smaller
    rounded = total * smaller + added
    return (greatest, rounded, (rounded - total * smaller) - added), shares


def shares(sums: tuple[Any, Any], logits: tuple[Any, Any]) -> tuple[Any, Any]:
    """What some classes have in the sums that the softmaxes divide by.

    Args:
        sums: what `count_in` gave after the last class of all.
        logits: what `logits` gave.

    Returns:
        For each branch `exp(logit - greatest)`, (B, C, N) float32; None for the
        image branch without one.
    """
    of_text, of_image = (
        None if branch is None else ops.exp(branch - of_branch[0][:, None])
        for of_branch, branch in zip(sums, logits, strict=True)
    )
    return of_text, of_image


def products(sums: tuple[Any, Any], shares: tuple[Any, Any], base: Any) -> Any:
    """Scores of some classes before the root is taken.

    Args:
        sums: what `count_in` gave after the last class of all.
        shares: what `shares` gave, or `count_in` if that was all.
        base: (C,) bool, the classes the detector was trained on.

    Returns:
        (B, C, N) float32, as `scoring.score_products` of all classes; the power of
        `exponent` makes scores of them.
    """
    p, q = (
        None if share is None else share / of_branch[1][:, None]
        for of_branch, share in zip(sums, shares, strict=True)
    )
    return p if q is None else q * p * ops.where(base[:, None], p, q)


def exponent(image: Any | None) -> float:
    """The power that makes scores of products; see `scoring.score_products`."""
    return 1.0 if image is None else 1.0 / 3.0


def scores(products: Any, exponent: float) -> Any:
    """Scores of products.

    Args:
        products: (...) float32.
        exponent: the power that makes scores of them.

    Returns:
        (...) float32, zeros in place of what is too small for a normal float (or
        negative): TensorFlow and XLA compute so anyway, PyTorch does not, and
        "score above 0" must mean the same on all.
    """
    return ops.where(products < _TINY, 0.0, products) ** exponent


def best_of_class(products: Any, per_class: int, lowest: Any) -> Any:
    """Keeps the best regions of each class, zeros in place of the others.

    Args:
        products: (B, C, N) float32.
        per_class: how many regions to keep, below N; static.
        lowest: (B,) float32, the least of the best pairs gathered before. Products
            up to it lead nowhere and may be kept too, so that nothing needs to be
            sorted where no class has more than `per_class` above it.

    Returns:
        (B, C, N) float32. Ties go to the lower region.
    """

    def chosen() -> Any:
        last = ops.sort(products, axis=-1)[..., -per_class, None]
        above, level = products > last, products == last
        room = per_class - ops.sum(ops.cast(above, "int32"), axis=-1, keepdims=True)
        order = ops.cumsum(ops.cast(level, "int32"), axis=-1)
        return ops.where(above | (level & (order <= room)), products, 0.0)

    number = ops.sum(ops.cast(products > lowest[:, None, None], "int32"), axis=-1)
    return ops.cond(ops.any(number > per_class), chosen, lambda: products)


def nothing(batch: int, number: int) -> tuple[Any, Any, Any]:
    """The best pairs before any class was seen.

    Args:
        batch: B.
        number: how many pairs there will be.

    Returns:
        `values` (B, number) float32, below all products, `regions` and `classes`
        (B, number) int32.
    """
    zeros = ops.zeros((batch, number), "int32")
    return ops.full((batch, number), -1.0, "float32"), zeros, zeros


def merge(best: tuple[Any, Any, Any], products: Any, first: Any) -> tuple[Any, ...]:
    """The best (class, region) pairs of those gathered and of a chunk.

    Args:
        best: what `nothing` or `merge` gave.
        products: (B, C, N) float32 of the chunk.
        first: () int32, the class that the chunk starts with.

    Returns:
        As `best`; `values` descend.
    """
    number = best[0].shape[1]
    pairs = products.shape[1] * products.shape[2]
    values, regions, classes = selection.candidates(products, min(number, pairs))
    both = [
        ops.concatenate(columns, axis=-1)
        for columns in zip(best, (values, regions, classes + first), strict=True)
    ]
    values, index = kernels.top_k(both[0], number)
    regions, classes = (ops.take_along_axis(c, index, axis=-1) for c in both[1:])
    return values, regions, classes


def merge_best_classes(
    best: tuple[Any, Any], scores: Any, first: Any
) -> tuple[Any, Any]:
    """Each region's best class of those gathered and of a chunk.

    Args:
        best: `values` (B, N) float32 and `classes` (B, N) int32.
        scores: (B, C, N) float32 of the chunk.
        first: () int32, the class that the chunk starts with.

    Returns:
        As `best`.
    """
    values, classes = best
    top = ops.max(scores, axis=1)
    of_top = ops.cast(ops.argmax(scores, axis=1), "int32") + first
    better = top > values
    return ops.where(better, top, values), ops.where(better, of_top, classes)
