"""The whole detector: seconds, share of the machine's peak, stage by stage.

    KERAS_BACKEND=tensorflow python benchmarks/detect.py [--bfloat16]

R50 ensemble, 640x640, 1000 regions, 1203 classes, 300 detections with masks.
"""

import argparse

import flops
import numpy as np
from common import best, detector, heading, matmul_peak, peak_memory, photo, wait


def stages(model, image) -> dict[str, tuple[float, float]]:
    """Seconds and GFLOP of every stage, each compiled alone."""
    from vild.backends import keras, kernels
    from vild.data.masks import paste_masks
    from vild.data.preprocessing import preprocess
    from vild.ops.proposals import generate_proposals
    from vild.ops.roi_crop import roi_crop

    ops, net = keras.ops, model.model

    def compiled(function):
        return kernels.compile(function, net.variables)

    pixels = ops.convert_to_tensor(preprocess(image, 640)[0][None])
    shape = ops.convert_to_tensor(np.array([[640, 640]], "float32"))
    backbone = compiled(lambda x: net.backbone(x))
    maps = backbone(pixels)
    fpn = compiled(lambda maps: net.fpn(maps))
    features = fpn(maps)
    rpn = compiled(lambda features: net.rpn(features))
    scores, deltas = rpn(features)
    propose = compiled(
        lambda s, d, shape: generate_proposals(s, d, net.levels, shape, 1000, 1000)
    )
    rois, _ = propose(scores, deltas, shape)
    crop = compiled(lambda features, rois: roi_crop(features, 2, rois, 7))
    crops = crop(features, rois)
    region = compiled(lambda crops: net.region(crops))
    regions = model.encode(image)
    found = regions.detect()
    crops_of = model.mask_crops(regions, np.arange(len(found)))
    index = np.arange(300)
    return {
        "preprocess": (best(lambda: preprocess(image, 640)), 0),
        "backbone": (best(lambda: wait(backbone(pixels))), flops.resnet50(640, 640)),
        "pyramid": (best(lambda: wait(fpn(maps))), flops.pyramid(640, 640)),
        "rpn head": (best(lambda: wait(rpn(features))), flops.rpn(640, 640)),
        "proposals": (best(lambda: wait(propose(scores, deltas, shape))), 0),
        "RoI crop": (best(lambda: wait(crop(features, rois))), 0),
        "region head": (
            best(lambda: wait(region(crops))),
            2 * flops.region_branch(1000),
        ),
        "scores + NMS": (best(lambda: regions.detect()), 0),
        "mask head": (best(lambda: model.mask_crops(regions, index)), flops.masks(300)),
        "mask pasting": (
            best(lambda: paste_masks(crops_of, found.boxes, image.shape[:2])),
            0,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bfloat16", action="store_true", help="measure it as well")
    parser.add_argument("--no-stages", action="store_true", help="only the whole")
    options = parser.parse_args()
    heading("detect")
    image, model = photo(), detector()
    work = flops.ensemble(640, 640, 1000, 300)
    peak = matmul_peak()
    model.detect(image)
    whole = best(lambda: model.detect(image))
    peak = max(peak, matmul_peak())
    memory = peak_memory()
    regions = model.encode(image)
    ask = best(regions.detect, 10)
    print(f"matmul peak          {peak:8.0f} GFLOP/s (float32, this run)")
    print(f"full detect          {whole:8.2f} s, {work:.0f} GFLOP")
    print(
        f"                     {work / whole:8.0f} GFLOP/s = {work / whole / peak:.0%}"
    )
    print(f"regions.detect, 1203 {1e3 * ask:8.1f} ms = 1/{whole / ask:.0f} of a detect")
    print(f"peak memory          {memory:8.2f} GB")
    if not options.no_stages:
        print("\n| stage | ms | share | GFLOP/s |\n|---|---|---|---|")
        table = stages(model, image)
        total = sum(seconds for seconds, _ in table.values())
        for name, (seconds, gflop) in table.items():
            rate = f"{gflop / seconds:.0f}" if gflop else ""
            print(f"| {name} | {1e3 * seconds:.1f} | {seconds / total:.1%} | {rate} |")
    if options.bfloat16:
        compare_bfloat16(model, image, whole)


def compare_bfloat16(model, image, whole) -> None:
    """Time of mixed bfloat16 and the share of detections that stay equal."""
    exact = model.detect(image)
    half = detector("bfloat16")
    seconds = best(lambda: half.detect(image))
    found = half.detect(image)
    same = 0
    for box, name in zip(exact.boxes, exact.class_ids, strict=True):
        near = np.abs(found.boxes - box).max(1) < 2
        same += bool((near & (found.class_ids == name)).any())
    print(f"\nbfloat16             {seconds:8.2f} s = {whole / seconds:.2f}x as fast")
    print(f"detections that stay {same / len(exact):8.0%} (same class, within 2 px)")


if __name__ == "__main__":
    main()
