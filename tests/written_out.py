"""What the kernels compute, written out with loops in numpy."""

import numpy as np


def greedy(boxes, threshold, limit, epsilon=0.0):
    """Greedy suppression written out with loops in numpy."""
    kept = []
    for i, box in enumerate(boxes):
        if not (box > 0).any():
            continue
        if all(overlap(box, boxes[j], epsilon) < threshold for j in kept):
            kept.append(i)
        if len(kept) == limit:
            break
    return kept


def overlap(a, b, epsilon=0.0):
    height = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    width = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    if height * width == 0:
        return 0.0
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return height * width / (area - height * width + epsilon)


def best_of_every_class(boxes, scores, threshold, iou, per_class, limit):
    """Suppression per class, then the best of all, with loops in numpy."""
    found = []
    for k in range(scores.shape[1]):
        order = np.argsort(-scores[:, k], kind="stable")[:per_class]
        order = [i for i in order if scores[i, k] > threshold]
        kept = greedy(boxes[order], iou, limit) if order else []
        found += [
            (-scores[order[i], k], k, rank, order[i]) for rank, i in enumerate(kept)
        ]
    found.sort(key=lambda row: row[:3])
    return [(region, k) for _, k, _, region in found[:limit]]
