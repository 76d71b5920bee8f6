"""Region embeddings x text embeddings -> class scores.

Arrays are class-major, (B, K, N): flattened, they stand in the order in which
the release concatenates classes, so that ties fall as they do there.
"""

from typing import Any

from vild.backends import keras, kernels

ops = keras.ops

TEMPERATURE = 100.0  # as released; a model may have another
_NO_LOGIT = -1e30  # finite, so that an all-padding row gives no NaN


def normalise(vectors: Any) -> Any:
    """Scales vectors to unit length; those of length <= 1e-8 become zero.

    Args:
        vectors: (..., D) float32.

    Returns:
        (..., D) float32.

    Source: released behaviour.
    """
    norm = ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True))
    return ops.where(norm > 1e-8, vectors / ops.maximum(norm, 1e-8), 0.0)


def merge(text_embeddings: Any, image_embeddings: Any | None) -> Any:
    """The one embedding of a region: normalise(2 * text + image branch).

    Args:
        text_embeddings: (..., D) float32 unit vectors.
        image_embeddings: (..., D) float32 unit vectors, or None without one.

    Returns:
        (..., D) float32 unit vectors.

    Source: released behaviour (features of the export).
    """
    if image_embeddings is None:
        return text_embeddings
    return normalise(2.0 * text_embeddings + image_embeddings)


def text_logits(
    embeddings: Any,
    classes: Any,
    background: Any,
    valid: Any = None,
    temperature: float = TEMPERATURE,
) -> Any:
    """Logits of background and classes from the text branch.

    Args:
        embeddings: (B, N, D) float32 unit vectors of regions.
        classes: (K, D) float32 unit rows.
        background: (D,) float32, learned, any length.
        valid: (K,) bool; rows that only pad the matrix get no logit. None: all.
        temperature: what cosines are multiplied by.

    Returns:
        (B, 1 + K, N) float32, background first.
    """
    rows = ops.concatenate([normalise(background)[None], classes], axis=0)
    if valid is not None:
        valid = ops.concatenate([ops.ones((1,), "bool"), valid])
    return image_logits(embeddings, rows, valid, temperature)


def image_logits(
    embeddings: Any, classes: Any, valid: Any = None, temperature: float = TEMPERATURE
) -> Any:
    """Logits of classes from the image branch; it has no background.

    Args:
        embeddings: (B, N, D) float32 unit vectors of regions.
        classes: (K, D) float32 unit rows.
        valid: (K,) bool; rows that only pad the matrix get no logit. None: all.
        temperature: what cosines are multiplied by.

    Returns:
        (B, K, N) float32.
    """
    return compare(temperature * embeddings, classes, valid)


def compare(embeddings: Any, classes: Any, valid: Any = None) -> Any:
    """Logits of classes for vectors that are as long as the temperature.

    Args:
        embeddings: (B, N, D) float32 vectors of regions.
        classes: (K, D) float32 unit rows.
        valid: (K,) bool; rows that only pad the matrix get no logit. None: all.

    Returns:
        (B, K, N) float32.
    """
    logits = kernels.similarities(embeddings, classes)
    if valid is not None:
        # Added, not chosen: one cheap pass over the largest array there is.
        logits = logits + ops.where(valid, 0.0, _NO_LOGIT)[:, None]
    return logits


def score_products(text: Any, image: Any | None, base: Any) -> tuple[Any, float]:
    """Scores before the root is taken, which does not change their order.

    Args:
        text: (B, 1 + K, N) float32 logits, background first.
        image: (B, K, N) float32 logits, or None for the one-branch flavour.
        base: (K,) bool, the classes the detector was trained on.

    Returns:
        (B, K, N) float32 and the exponent that makes scores of them. With p
        from the text branch and q from the image branch the ensemble scores
        (p p q)^(1/3) for base classes and (p q q)^(1/3) for novel ones;
        without an image branch the score is p for all.

    Source: paper section 3.4, with the released weights 2/3 and 1/3.
    """
    p = ops.softmax(text, axis=1)[:, 1:]
    if image is None:
        return p, 1.0
    q = ops.softmax(image, axis=1)
    return q * p * ops.where(base[:, None], p, q), 1.0 / 3.0
