"""Which of COCO's 80 categories are base and which are novel."""

BASE: frozenset[str] = frozenset(
    """person, bicycle, car, motorcycle, train, truck, boat, bench, bird, horse, sheep,
    bear, zebra, giraffe, backpack, handbag, suitcase, frisbee, skis, kite, surfboard,
    bottle, fork, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, pizza,
    donut, chair, bed, toilet, tv, laptop, mouse, remote, microwave, oven, toaster,
    refrigerator, book, clock, vase, toothbrush""".replace("\n   ", "").split(", ")
)
"""The 48 categories that are trained on.

Source: Bansal et al., Zero-Shot Object Detection (ECCV 2018); taken over by OVR-CNN
(CVPR 2021) and by ViLD's experiments on COCO.
"""
NOVEL: frozenset[str] = frozenset(
    """airplane, bus, cat, dog, cow, elephant, umbrella, tie, snowboard, skateboard,
    cup, knife, cake, couch, keyboard, sink, scissors""".replace("\n   ", "").split(
        ", "
    )
)
"""The 17 categories that are held out. Source: as for `BASE`."""
EXCLUDED: frozenset[str] = frozenset(
    """traffic light, fire hydrant, stop sign, parking meter, sports ball, baseball bat,
    baseball glove, tennis racket, wine glass, hot dog, potted plant, dining table,
    cell phone, teddy bear, hair drier""".replace("\n   ", "").split(", ")
)
"""The other 15, which take no part. Source: as for `BASE`."""
