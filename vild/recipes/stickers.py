"""Recipes for stickers: an open vocabulary on a laptop, a real network in small."""

import dataclasses

from vild.recipes.losses import Losses
from vild.recipes.recipe import Classes, Inputs, Model, Optimizer, Recipe
from vild.recipes.stages import first_stage


def stickers_text() -> Recipe:
    """Classes of stickers are texts, and nothing is distilled (ViLD-text).

    Small, as `tiny` is, but learned by Adam. Objects of other scenes are pasted in, for
    more of them at the same cost.

    Source: ours.
    Command: `python benchmarks/stickers_study.py --trunk TRUNK --rows text`; or,
    without the trunk and the first stage that it begins with,
    `vild train stickers-text stickers:train --teacher stickers --out runs/text`.
    Hardware: two CPU cores; time not yet measured.
    Expected: not yet measured.
    """
    return Recipe(
        "stickers-text",
        "text classifier of stickers without distillation",
        Model(
            backbone="vild.backbones.plain:plain",
            ensemble=False,
            channels=64,
            last_level=5,
            rpn_convs=1,
            region_convs=1,
            region_units=(192,),
            mask_convs=1,
            # Of 160 pixels: objects of 40 to 80 are cropped from level 3.
            canonical_size=80.0,
            dim=128,
            batch_norm_momentum=0.98,
        ),
        Inputs(
            image_size=160,
            scale=(0.7, 1.4),
            max_objects=20,
            max_rois=20,
            copy_paste=0.7,
        ),
        Classes(novel="absent"),
        Losses(
            anchors=128,
            anchor_positives=64,
            pre_nms_proposals=300,
            num_proposals=150,
            regions=40,
            region_positives=20,
            masks=8,
            distill_weight=0.0,
            l2=1e-5,
        ),
        Optimizer(
            kind="adam",
            rate=1e-3,
            reference_batch=8,
            warmup=100,
            start=1e-4,
            boundaries=(2400, 3200),
            rates=(3e-4, 1e-4),
        ),
        batch_size=8,
        steps=3600,
        save_every=200,
        settings={
            "image_size": 160,
            "pre_nms_proposals": 300,
            "num_proposals": 100,
            "pre_nms_detections": 100,
            "max_detections": 100,
            "score_threshold": 0.05,
        },
    )


def stickers_vild() -> Recipe:
    """`stickers-text` with distillation: one branch learns both (ViLD).

    Source: ours; the weight is that of the released `r152-ensemble`, for rows of 128
    numbers.
    Command: `python benchmarks/stickers_study.py --trunk TRUNK --rows vild`; or
    `vild distill stickers-vild stickers:train --teacher stickers --out
    runs/stickers-vild`; or, with a store, `vild train stickers-vild stickers:train
    --regions STORE --teacher stickers --out runs/stickers-vild`.
    Hardware: as for `stickers-text`, and some minutes of proposals and embeddings.
    Expected: not yet measured.
    """
    start = stickers_text()
    return dataclasses.replace(
        start,
        name="stickers-vild",
        about="stickers, distilled: one branch",
        losses=dataclasses.replace(start.losses, distill_weight=4.0),
    )


def stickers_ensemble() -> Recipe:
    """`stickers-text` with an image branch of its own (ViLD-ensemble).

    The bundled detector is one of these.

    Source: ours.
    Command: `python benchmarks/stickers_study.py --trunk TRUNK --rows ensemble`; or
    `vild distill stickers-ensemble stickers:train --teacher stickers --out
    runs/ensemble`; or, with a store, `vild train stickers-ensemble stickers:train
    --regions STORE --teacher stickers --out runs/ensemble`.
    Hardware: as for `stickers-vild`.
    Expected: not yet measured.
    """
    start = stickers_vild()
    return dataclasses.replace(
        start,
        name="stickers-ensemble",
        about="stickers, distilled: a branch for texts and one for images",
        model=dataclasses.replace(start.model, ensemble=True),
    )


def stickers_supervised() -> Recipe:
    """A closed set of the base classes of stickers: the paper's first baseline.

    Source: ours, after `supervised`.
    Command: `python benchmarks/stickers_study.py --trunk TRUNK --rows supervised`;
    or `vild train stickers-supervised stickers:train --out
    runs/stickers-supervised`.
    Hardware: as for `stickers-text`.
    Expected: not yet measured; nothing of novel classes.
    """
    start = stickers_text()
    return dataclasses.replace(
        start,
        name="stickers-supervised",
        about="closed set of base classes of stickers, learned classifier",
        classes=Classes(classifier="learned", novel="absent"),
    )


def stickers_rpn() -> Recipe:
    """The first stage of the recipes above: where is something at all?

    Source: ours, after `rpn`.
    Command: `python benchmarks/stickers_study.py --trunk TRUNK --rows rpn`; or
    `vild train stickers-rpn stickers:train --out runs/stickers-rpn`.
    Hardware: as for `stickers-text`, at about two thirds of the time a step.
    Expected: not yet measured.
    """
    start = first_stage(stickers_text())
    return dataclasses.replace(
        start,
        name="stickers-rpn",
        # Where something is takes fewer steps to learn than what it is.
        steps=900,
        optimizer=dataclasses.replace(start.optimizer, boundaries=(600, 800)),
    )
