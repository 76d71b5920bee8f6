"""The arrays of a vocabulary, checked; a million rows are not copied needlessly."""

from typing import Any

import numpy as np

from vild.errors import InputError

# Rows that are looked at together, so that what is computed of them stays small.
_BLOCK = 16384

# Below this a row has no direction (released behaviour).
_SHORT = 1e-8

# Rows that are unit up to the rounding of float32 are kept as they are: scaling them
# again would let them drift by a bit at every save.
_NEAR = float(np.finfo("float32").eps)


def unit_rows(embeddings: Any, names: list[str]) -> np.ndarray:
    """Checks a matrix and scales its rows to unit length.

    Args:
        embeddings: (K, D) numbers.
        names: K names, for messages.

    Returns:
        (K, D) float32 unit rows, read-only, never the caller's own memory.

    Raises:
        InputError: for another shape or type, NaN, infinity or a row of zeros.
    """
    rows = _matrix(embeddings, len(names))
    result = np.empty(rows.shape, "float32")
    for start in range(0, len(rows), _BLOCK):
        block = np.asarray(rows[start : start + _BLOCK])
        wide = block.astype("float64")
        norms = np.sqrt(np.einsum("kd,kd->k", wide, wide))
        if not np.isfinite(norms).all():
            bad = start + int(np.argmin(np.isfinite(norms)))
            raise InputError(f"The embedding at row {bad} holds NaN or infinity.")
        if not (norms > _SHORT).all():
            bad = start + int(np.argmin(norms))
            raise InputError(
                f"The embedding of {names[bad]!r} is all zeros: every class needs a "
                "direction in the teacher's space."
            )
        scale = np.where(np.abs(norms - 1.0) <= _NEAR, 1.0, norms)
        result[start : start + _BLOCK] = wide / scale[:, None]
    result.flags.writeable = False
    return result


def base_array(base: Any, count: int) -> np.ndarray | None:
    """Checks base flags.

    Args:
        base: (count,) bools, True for all, or None.
        count: how many classes there are.

    Returns:
        (count,) bool, read-only, or None.

    Raises:
        InputError: for another shape or type.
    """
    if base is None:
        return None
    if isinstance(base, bool | np.bool_) and base:
        base = np.ones(count, bool)
    flags = np.array(base)  # a copy: the caller's array may change
    if flags.dtype.kind in "iu" and np.isin(flags, (0, 1)).all():
        flags = flags.astype(bool)
    if flags.shape != (count,) or flags.dtype != bool:
        raise InputError(
            f"base must be True or an array of {count} bools, one per class; "
            f"received {flags.dtype} of shape {flags.shape}."
        )
    flags.flags.writeable = False
    return flags


def _matrix(embeddings: Any, count: int) -> np.ndarray:
    try:
        rows = np.asarray(embeddings)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"Embeddings must be a ({count}, D) array of numbers ({error})."
        ) from None
    if rows.dtype.kind not in "fiu":
        raise InputError(
            f"Embeddings must be real numbers, received an array of {rows.dtype}."
        )
    if rows.ndim != 2 or rows.shape[0] != count or rows.shape[1] == 0:
        turned = rows.ndim == 2 and rows.shape[1] == count
        raise InputError(
            f"Embeddings must have shape ({count}, D), a row per name; received "
            f"{rows.shape}" + (": transpose them." if turned else ".")
        )
    return rows
