"""Recipes for drawn objects: everything can be tried in minutes, without a download."""

import dataclasses

from vild.recipes.losses import Losses
from vild.recipes.recipe import Classes, Inputs, Model, Optimizer, Recipe
from vild.recipes.stages import first_stage


def tiny() -> Recipe:
    """Learns something useful on two processor cores in minutes.

    A text classifier on drawn objects; no download.

    Source: ours.
    Command: `vild train tiny drawn:train --teacher shapes --out runs/tiny`.
    Hardware: 2 slow CPU cores: 23 minutes on TensorFlow, 31 on JAX; 58 on PyTorch,
    most of it on one of them.
    Expected: on `drawn:val` box AP50 0.67 to 0.68 for base classes, 0.38 to 0.46 for
    classes whose names were never seen in training.
    """
    return Recipe(
        "tiny",
        "learns drawn objects in minutes on a laptop",
        Model(
            backbone="resnet",
            width=16,
            ensemble=False,
            channels=48,
            rpn_convs=1,
            region_convs=1,
            region_units=(128,),
            mask_convs=1,
            batch_norm_momentum=0.97,
        ),
        Inputs(image_size=128, scale=(0.7, 1.4), max_objects=12, max_rois=12),
        Classes(novel="absent"),
        Losses(
            anchors=128,
            anchor_positives=64,
            pre_nms_proposals=300,
            num_proposals=150,
            regions=48,
            region_positives=16,
            masks=8,
            distill_weight=0.0,
        ),
        Optimizer(
            rate=0.04,
            reference_batch=8,
            warmup=100,
            start=0.004,
            boundaries=(2600,),
            rates=(0.004,),
        ),
        batch_size=8,
        steps=3000,
        save_every=300,
        settings={
            "image_size": 128,
            "pre_nms_proposals": 300,
            "num_proposals": 100,
            "pre_nms_detections": 100,
            "max_detections": 100,
            "score_threshold": 0.05,
        },
    )


def tiny_vild() -> Recipe:
    """`tiny` with distillation: one branch learns texts and the teacher's view.

    Source: ours. Two unit vectors differ by a sum that grows with the root of their
    length, so 1.5 for the 64 numbers of `shapes` is the released 0.5 for 512.
    Command: `vild distill tiny-vild drawn:train --teacher shapes --out runs/tiny-vild`;
    or, with a store, `vild train tiny-vild drawn:train --regions STORE --teacher shapes
    --out runs/tiny-vild`.
    Hardware: 2 CPU cores.
    Expected: on `drawn-colours:val`, after 800 of the steps, box AP50 0.44 to 0.46 for
    base classes and 0.07 to 0.09 for colours that had no label, where `tiny` has 0.24
    to 0.53 and less than 0.01; see docs/results.md. All steps: not measured.
    """
    start = tiny()
    return dataclasses.replace(
        start,
        name="tiny-vild",
        about="tiny, distilled: one branch",
        losses=dataclasses.replace(start.losses, distill_weight=1.5),
    )


def tiny_ensemble() -> Recipe:
    """`tiny` with distillation into an image branch of its own.

    Source: ours; the weight is that of `tiny-vild`.
    Command: `vild distill tiny-ensemble drawn:train --teacher shapes --out
    runs/tiny-ensemble`; or, with a store, `vild train tiny-ensemble drawn:train
    --regions STORE --teacher shapes --out runs/tiny-ensemble`.
    Hardware: 2 CPU cores.
    Expected: measured as for `tiny-vild`, 0.25 to 0.26 and 0.05 to 0.07: less than one
    branch has, see docs/results.md.
    """
    start = tiny_vild()
    return dataclasses.replace(
        start,
        name="tiny-ensemble",
        about="tiny, distilled: a branch for texts and one for images",
        model=dataclasses.replace(start.model, ensemble=True),
    )


def tiny_image() -> Recipe:
    """`tiny-vild` without a class loss: regions imitate the teacher, and that is all.

    Source: ours, after `vild-image`.
    Command: `vild distill tiny-image drawn:train --teacher shapes --out
    runs/tiny-image`; or, with a store, `vild train tiny-image drawn:train --regions
    STORE --teacher shapes --out runs/tiny-image`.
    Hardware: 2 CPU cores.
    Expected: measured as for `tiny-vild`, 0.13 and 0.07.
    """
    start = tiny_vild()
    return dataclasses.replace(
        start,
        name="tiny-image",
        about="tiny, distilled, without a class loss",
        losses=dataclasses.replace(start.losses, class_weight=0.0),
    )


def tiny_rpn() -> Recipe:
    """The first stage of the recipes above: where is something at all?

    Source: ours, after `rpn`.
    Command: `vild train tiny-rpn drawn:train --out runs/tiny-rpn`; `vild distill` does
    so by itself.
    Hardware: 2 CPU cores.
    Expected: not measured by itself.
    """
    return dataclasses.replace(first_stage(tiny()), name="tiny-rpn")
