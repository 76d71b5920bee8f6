"""Milliseconds of the RoI crop, and of torchvision's kernel where there is one.

    KERAS_BACKEND=torch python benchmarks/roi_crop.py

1000 regions of a 640x640 pyramid with 256 channels, 7x7 cells, one sample a cell.
"""

import numpy as np
from common import best, heading, matmul_peak, wait


def main() -> None:
    from vild.backends import keras, kernels
    from vild.ops.roi_crop import roi_crop

    heading("RoI crop")
    ops, rng = keras.ops, np.random.default_rng(0)
    features = [
        rng.standard_normal((1, 640 >> n, 640 >> n, 256), dtype="float32")
        for n in range(2, 7)
    ]
    corner = rng.uniform(0, 500, (1, 1000, 2))
    size = np.exp(rng.uniform(np.log(10), np.log(400), (1, 1000, 2)))
    boxes = np.concatenate([corner, np.minimum(corner + size, 639)], -1)
    maps = [ops.convert_to_tensor(f) for f in features]
    boxes = ops.convert_to_tensor(boxes.astype("float32"))
    run = kernels.compile(lambda maps, boxes: roi_crop(maps, 2, boxes, 7), [])
    # The result is summed up on the device, so that its transfer is not timed.
    total = kernels.compile(
        lambda maps, boxes: ops.sum(roi_crop(maps, 2, boxes, 7)), []
    )
    assert wait(run(maps, boxes)).shape == (1, 1000, 7, 7, 256)
    print(f"matmul peak {matmul_peak():6.0f} GFLOP/s")
    print(f"RoI crop    {1e3 * best(lambda: wait(total(maps, boxes)), 10):6.1f} ms")
    if keras.backend.backend() == "torch":
        torchvision(maps, boxes)


def torchvision(maps, boxes) -> None:
    """Its own kernel on the same regions, one sample a cell, level by level."""
    try:
        from torchvision.ops import roi_align
    except (ImportError, RuntimeError):
        print("torchvision is not usable here: nothing to compare with")
        return
    import torch

    from vild.backends import keras
    from vild.ops.roi_crop import region_levels

    levels = keras.ops.convert_to_numpy(region_levels(boxes, 2, 6))[0]
    boxes = boxes[0][:, [1, 0, 3, 2]]
    groups = [torch.as_tensor(np.nonzero(levels == n)[0]) for n in range(2, 7)]
    maps = [m.permute(0, 3, 1, 2).contiguous() for m in maps]

    def run():
        found = [
            roi_align(m, [boxes[g]], 7, 1 / 2**n, 1, aligned=False)
            for n, m, g in zip(range(2, 7), maps, groups, strict=True)
        ]
        return sum(f.sum() for f in found).item()

    print(f"torchvision {1e3 * best(run, 10):6.1f} ms")


if __name__ == "__main__":
    main()
