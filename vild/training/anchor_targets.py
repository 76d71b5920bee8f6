"""What the RPN should say: which anchors are on objects, and where those are."""

from typing import Any

from vild.backends import keras
from vild.ops import boxes as box_ops
from vild.training.sampling import choose, count

ops = keras.ops

# An anchor that overlaps an object this much is on it ...
ON_OBJECT = 0.7
# ... one that overlaps all of them less than this is on none; between, it is left out.
OFF_OBJECT = 0.3

NEGATIVE, IGNORED = -1, -2

# Added to sizes before logarithms are taken (released behaviour).
_EPSILON = 1e-8

# Objects that all anchors are compared with at once: at full size a matrix of all
# objects with all anchors would have hundreds of megabytes.
_CHUNK = 20


def match_anchors(anchors: Any, boxes: Any) -> Any:
    """The object of every anchor.

    Args:
        anchors: (A, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        boxes: (B, G, 4) float32 of the objects, the same units; rows without a
            coordinate above 0 only fill up.

    Returns:
        (B, A) int32: the object's row, -1 for background, -2 for anchors that are
        left out. Every object takes its best anchor, however small the overlap;
        ties go to the first object and to the first anchor.

    Source: released behaviour.
    """
    batch, number = boxes.shape[:2]
    size = anchors.shape[0]
    padding = -number % _CHUNK
    boxes = ops.pad(boxes, ((0, 0), (0, padding), (0, 0)), constant_values=-1.0)
    valid = box_ops.beyond_origin(boxes)
    anchors = ops.broadcast_to(anchors[None], (batch, size, 4))

    best = ops.full((batch, size), -1.0)
    owner = ops.zeros((batch, size), "int32")
    claims = []
    for start in range(0, number + padding, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        ious = box_ops.overlap(anchors, boxes[:, chunk])
        ious = ops.where(valid[:, None, chunk], ious, -1.0)
        claims.append(ops.argmax(ious, axis=1))
        highest = ops.max(ious, axis=2)
        row = ops.cast(ops.argmax(ious, axis=2), "int32") + start
        # Only more overlap changes the owner: of equal objects the first one counts.
        owner = ops.where(highest > best, row, owner)
        best = ops.maximum(best, highest)
    match = ops.where(best < OFF_OBJECT, NEGATIVE, IGNORED)
    match = ops.where(best >= ON_OBJECT, owner, match)

    claimed = ops.cast(ops.concatenate(claims, axis=1), "int32")
    claimant = _first_claimant(claimed, valid, size)
    return ops.where(claimant >= 0, claimant, match)


def _first_claimant(claimed: Any, valid: Any, size: int) -> Any:
    """For every anchor the first object whose best it is, or -1.

    Args:
        claimed: (B, G) int32, the best anchor of each object.
        valid: (B, G) bool.
        size: how many anchors there are.

    Returns:
        (B, size) int32.
    """
    batch, number = claimed.shape
    rows = ops.arange(batch, dtype="int32")[:, None] * size
    place = ops.where(valid, claimed + rows, batch * size)
    # The largest of the reversed row numbers belongs to the first row.
    backwards = number - ops.arange(number, dtype="int32")[None]
    backwards = ops.broadcast_to(backwards, (batch, number))
    found = ops.segment_max(
        ops.reshape(backwards, (-1,)), ops.reshape(place, (-1,)), batch * size + 1
    )
    # Where nobody claims, the maximum is that of nothing.
    found = ops.reshape(found[:-1], (batch, size))
    return ops.where(found > 0, number - found, -1)


def anchor_boxes(anchors: Any, boxes: Any, match: Any) -> Any:
    """The box targets of all anchors that are on objects, sampled or not.

    Args:
        anchors: (A, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        boxes: (B, G, 4) float32 of the objects.
        match: (B, A) int32 of `match_anchors`.

    Returns:
        (B, A, 4) float32, dy dx dh dw; zeros for the others.

    Source: released behaviour: sizes without the last pixel, unlike elsewhere.
    """
    owner = ops.maximum(match, 0)[..., None]
    matched = ops.take_along_axis(boxes, owner, axis=1)
    cy, cx, height, width = _centre_size(matched)
    anchor_cy, anchor_cx, anchor_height, anchor_width = _centre_size(anchors[None])
    targets = ops.concatenate(
        [
            (cy - anchor_cy) / anchor_height,
            (cx - anchor_cx) / anchor_width,
            ops.log(height / anchor_height),
            ops.log(width / anchor_width),
        ],
        axis=-1,
    )
    return ops.where(match[..., None] >= 0, targets, 0.0)


def anchor_scores(
    match: Any, noise: Any, samples: int = 256, positives: int = 128
) -> Any:
    """The score targets of a random sample of anchors.

    Args:
        match: (B, A) int32 of `match_anchors`.
        noise: (B, A) float32 from [0, 1).
        samples: how many anchors of an image take part.
        positives: how many of them at most are on objects.

    Returns:
        (B, A) int32: 1 on an object, 0 on background, -1 for anchors that take no
        part.

    Source: released behaviour.
    """
    chosen = choose(match >= 0, noise, positives)
    background = choose(match == NEGATIVE, noise, samples, samples - count(chosen))
    return ops.where(chosen, 1, ops.where(background, 0, -1))


def _centre_size(boxes: Any) -> tuple[Any, Any, Any, Any]:
    y1, x1, y2, x2 = ops.split(boxes, 4, axis=-1)
    height, width = y2 - y1 + _EPSILON, x2 - x1 + _EPSILON
    return (y1 + y2) / 2.0, (x1 + x2) / 2.0, height, width
