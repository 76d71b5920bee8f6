"""The published computation of VOC's average precision, object by object.

Source: the devkit of PASCAL VOC, as its Python re-implementations have it: boxes of
whole pixels that include the last one.
"""

import numpy as np


def average_precision(recall, precision, eleven):
    if eleven:
        total = 0.0
        for threshold in np.arange(0.0, 1.1, 0.1):
            reached = recall >= threshold
            total += precision[reached].max() / 11 if reached.any() else 0.0
        return total
    recall = np.concatenate(([0.0], recall, [1.0]))
    precision = np.concatenate(([0.0], precision, [0.0]))
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    changed = np.where(recall[1:] != recall[:-1])[0]
    return float(
        ((recall[changed + 1] - recall[changed]) * precision[changed + 1]).sum()
    )


def judge_class(objects, found, threshold, eleven):
    """AP of one class.

    objects: image -> list of (xmin ymin xmax ymax, difficult); found: list of (image,
    score, xmin ymin xmax ymax).
    """
    claimed = {image: [False] * len(entries) for image, entries in objects.items()}
    count = sum(not hard for entries in objects.values() for _, hard in entries)
    found = sorted(found, key=lambda entry: -entry[1])
    hits, misses = np.zeros(len(found)), np.zeros(len(found))
    for place, (image, _, box) in enumerate(found):
        best, which = -np.inf, -1
        for number, (real, _) in enumerate(objects.get(image, [])):
            width = min(real[2], box[2]) - max(real[0], box[0]) + 1
            height = min(real[3], box[3]) - max(real[1], box[1]) + 1
            inside = max(width, 0) * max(height, 0)
            area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
            other = (real[2] - real[0] + 1) * (real[3] - real[1] + 1)
            overlap = inside / (area + other - inside)
            if overlap > best:
                best, which = overlap, number
        if best > threshold:
            if objects[image][which][1]:
                continue
            if claimed[image][which]:
                misses[place] = 1
            else:
                hits[place], claimed[image][which] = 1, True
        else:
            misses[place] = 1
    hits, misses = np.cumsum(hits), np.cumsum(misses)
    precision = hits / np.maximum(hits + misses, np.finfo(np.float64).eps)
    return average_precision(hits / count, precision, eleven)
