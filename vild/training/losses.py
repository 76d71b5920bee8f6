"""The six losses, each a sum divided by a count.

Counts go through `across` before a sum is divided by them. It is the identity where
one program sees the whole batch. Where every device computes its own part and the
gradients are averaged afterwards, it is the mean of the count over the devices: then N
devices take the step that one device would take with all of the batch. With the
identity there, each device divides by its own counts, as released: an object weighs the
more, the fewer there are in its part of the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

from vild.backends import keras

ops = keras.ops

# From quadratic to linear: for the RPN's boxes, and for those of the regions.
RPN_DELTA = 1.0 / 9.0
REGION_DELTA = 1.0

# The logarithm of a probability that counts for nothing in a sum.
_NEVER = -1e9

Across = Callable[[Any], Any]


def alone(count: Any) -> Any:
    """The count of a device that has the whole batch to itself.

    Args:
        count: scalar.

    Returns:
        The same.
    """
    return count


def huber(errors: Any, delta: float) -> Any:
    """Quadratic within `delta`, linear outside.

    Args:
        errors: any shape, float32.
        delta: where it changes.

    Returns:
        The same shape: e^2 / 2, or delta |e| - delta^2 / 2.
    """
    size = ops.abs(errors)
    inside = ops.minimum(size, delta)
    return inside * (size - 0.5 * inside)


def sigmoid_cross_entropy(logits: Any, targets: Any) -> Any:
    """Cross-entropy of probabilities with targets from 0 to 1.

    Args:
        logits: any shape, float32.
        targets: the same shape, float32.

    Returns:
        The same shape.
    """
    # log(1 + exp(x)) - x t, written so that no exponential overflows.
    positive = ops.relu(logits)
    return positive - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def mean_where(values: Any, used: Any, across: Across = alone) -> Any:
    """The mean of some of the values.

    Args:
        values: any shape, float32.
        used: the same shape, bool.
        across: see the module.

    Returns:
        Scalar; 0 where none is used.
    """
    count = across(ops.sum(ops.cast(used, "float32")))
    total = ops.sum(ops.where(used, values, 0.0))
    # A device without any of its own has total 0, whatever it is divided by.
    return ops.where(count > 0, total / ops.where(count > 0, count, 1.0), 0.0)


def rpn_score_loss(logits: Sequence[Any], targets: Sequence[Any], samples: int) -> Any:
    """Whether an anchor is on an object.

    Args:
        logits: per level (B, H, W, A) float32.
        targets: per level (B, H, W, A) int32: 1, 0, or -1 for not sampled.
        samples: anchors sampled per image.

    Returns:
        Scalar: the sum over sampled anchors by `batch * samples`.

    Source: released behaviour; images with too few anchors are divided by the same.
    """
    total = 0.0
    for logit, target in zip(logits, targets, strict=True):
        losses = sigmoid_cross_entropy(logit, ops.cast(target, "float32"))
        total = total + ops.sum(ops.where(target >= 0, losses, 0.0))
    return total / (logits[0].shape[0] * samples)


def rpn_box_loss(
    outputs: Sequence[Any], targets: Sequence[Any], across: Across = alone
) -> Any:
    """Where the object is, seen from the anchor.

    Args:
        outputs: per level (B, H, W, 4 A) float32.
        targets: per level (B, H, W, 4 A) float32; exactly 0 where there is none.
        across: see the module.

    Returns:
        Scalar: the sum over levels of the mean over the level's targets. Anchors
        count that matched, sampled or not.

    Source: released behaviour.
    """
    return sum(
        mean_where(huber(output - target, RPN_DELTA), target != 0.0, across)
        for output, target in zip(outputs, targets, strict=True)
    )


def class_loss(
    logits: Any,
    targets: Any,
    trained: Any | None = None,
    across: Across = alone,
    annotated: Any | None = None,
) -> Any:
    """Which class a region is.

    Args:
        logits: (B, N, 1 + K) float32, background first.
        targets: (B, N) int, 0 for background.
        trained: (1 + K,) bool; the logits of all others become 0, and stay in the
            softmax. None: all.
        across: see the module.
        annotated: (B, K) bool, classes whose objects are labelled in an image. A region
            on no labelled object may be of any other class: then background and all
            of these together are the right answer. None: all are labelled.

    Returns:
        Scalar: the mean cross-entropy over all regions.

    Source: released behaviour (rare classes are masked, not removed). `annotated`:
    Cermelli et al., "Modeling the background for incremental learning in semantic
    segmentation", 2020, equation 4.
    """
    if trained is not None:
        logits = ops.where(trained, logits, 0.0)
    labels = ops.one_hot(targets, logits.shape[-1], dtype="float32")
    chances = ops.log_softmax(logits, axis=-1)
    if annotated is None:
        losses = -ops.sum(labels * chances, axis=-1)
    else:
        silent = ops.pad(ops.logical_not(annotated), ((0, 0), (1, 0)))
        if trained is not None:
            silent = ops.logical_and(silent, trained)
        right = ops.logical_and((targets == 0)[..., None], silent[:, None])
        right = ops.logical_or(right, labels > 0)
        losses = -ops.logsumexp(ops.where(right, chances, _NEVER), axis=-1)
    return mean_where(losses, ops.ones_like(losses, "bool"), across)


def box_loss(outputs: Any, targets: Any, classes: Any, across: Across = alone) -> Any:
    """Where the object is, seen from the region.

    Args:
        outputs: (B, N, 4) float32, encoded, the same for all classes.
        targets: (B, N, 4) float32, encoded.
        classes: (B, N) int, 0 for background, which has no box.
        across: see the module.

    Returns:
        Scalar: the mean over the numbers of all boxes there are.

    Source: released behaviour.
    """
    losses = huber(outputs - targets, REGION_DELTA)
    used = ops.broadcast_to((classes > 0)[..., None], losses.shape)
    return mean_where(losses, used, across)


def mask_loss(logits: Any, targets: Any, classes: Any, across: Across = alone) -> Any:
    """Which pixels of a region are the object.

    Args:
        logits: (B, M, S, S) float32.
        targets: (B, M, S, S) float32, 0 to 1, not thresholded.
        classes: (B, M) int, 0 for regions that only fill up.
        across: see the module.

    Returns:
        Scalar: the mean over the pixels of all objects.

    Source: released behaviour.
    """
    losses = sigmoid_cross_entropy(logits, targets)
    used = ops.broadcast_to((classes > 0)[..., None, None], losses.shape)
    return mean_where(losses, used, across)


def distill_loss(outputs: Any, targets: Any, boxes: Any, across: Across = alone) -> Any:
    """How far regions are from what the teacher makes of their crops.

    Args:
        outputs: (B, R, D) float32 unit vectors.
        targets: (B, R, D) float32, any length; zeros stay zeros.
        boxes: (B, R, 4) float32; rows without a coordinate above 0 only fill up.
        across: see the module.

    Returns:
        Scalar: the mean L1 distance over the regions there are.

    Source: paper section 3.3; released behaviour.
    """
    norms = ops.sqrt(ops.sum(ops.square(targets), axis=-1, keepdims=True))
    targets = ops.where(norms > 0, targets / ops.where(norms > 0, norms, 1.0), 0.0)
    distances = ops.sum(ops.abs(targets - outputs), axis=-1)
    return mean_where(distances, ops.max(boxes, axis=-1) > 0, across)
