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
    Command: `python benchmarks/stickers_study.py --start START --rows text`; or,
    without the weights that it begins with,
    `vild train stickers-text stickers:train --teacher stickers --out runs/text`.
    Hardware: two CPU cores, 16 minutes on TensorFlow for 1000 steps.
    Expected: after 1000 steps, box AP50 of base and novel classes on `test-seen:300`
    17.9 and 0.2 from a start of base concepts only, 31.4 and 18.6 from the teacher's
    weights (docs/study.md).
    """
    return Recipe(
        "stickers-text",
        "text classifier of stickers without distillation",
        Model(
            # A detector that begins with a network on crops (`--start`): its first
            # convolutions look at the image in four sizes, its others at each region.
            backbone="vild.backbones.image_pyramid:image_pyramid",
            pyramid=False,
            ensemble=False,
            channels=64,
            last_level=5,
            rpn_convs=2,
            region_crop=12,
            region_convs=((128, 2), (128, 1), (128, 1), (256, 2), (256, 1)),
            region_units=(),
            mask_convs=2,
            # Objects of 34 to 68 pixels are cropped from level 2, where 12 cells are
            # 48 pixels.
            canonical_size=136.0,
            # That of the teacher's own training: its texts lie almost at right angles.
            temperature=24.0,
            dim=128,
            batch_norm_momentum=0.98,
        ),
        Inputs(
            image_size=192,
            scale=(0.7, 1.6),
            max_objects=20,
            max_rois=16,
            copy_paste=0.5,
        ),
        Classes(novel="absent"),
        Losses(
            anchors=128,
            anchor_positives=64,
            pre_nms_proposals=300,
            num_proposals=150,
            regions=32,
            region_positives=16,
            masks=8,
            distill_weight=0.0,
            l2=1e-5,
        ),
        Optimizer(
            kind="adam",
            # Higher ones destroy what the start knows.
            rate=2e-4,
            reference_batch=8,
            warmup=100,
            start=2e-5,
            boundaries=(900, 1300),
            rates=(7e-5, 2e-5),
        ),
        batch_size=8,
        steps=1500,
        save_every=150,
        settings={
            # Small things are named better where they are larger.
            "image_size": 288,
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
    Command: `python benchmarks/stickers_study.py --start START --rows vild`; or
    `vild distill stickers-vild stickers:train --teacher stickers --out
    runs/stickers-vild`; or, with a store, `vild train stickers-vild stickers:train
    --regions STORE --teacher stickers --out runs/stickers-vild`.
    Hardware: two CPU cores, 34 minutes on TensorFlow, and a quarter of an hour for
    proposals and embeddings of 6000 scenes.
    Expected: after 1000 steps from the teacher's weights, mask AP 12.7, APr 12.2 on
    `test-seen:300`; from base concepts and distillation on crops, 4.3 and 2.9
    (docs/study.md).
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

    The detector that comes with vild is one of these, of 2400 steps
    (docs/model-stickers.md).

    Source: ours.
    Command: `python benchmarks/stickers_study.py --start START --rows ensemble`; or
    `vild distill stickers-ensemble stickers:train --teacher stickers --out
    runs/ensemble`; or, with a store, `vild train stickers-ensemble stickers:train
    --regions STORE --teacher stickers --out runs/ensemble`.
    Hardware: as for `stickers-vild`.
    Expected: after 1000 steps from the teacher's weights, mask AP 14.0, APr 11.7 on
    `test-seen:300`; from base concepts, the image branch distilled on crops, 6.8 and
    1.5 (docs/study.md).
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
    Command: `python benchmarks/stickers_study.py --start START --rows supervised`;
    or `vild train stickers-supervised stickers:train --out
    runs/stickers-supervised`.
    Hardware: as for `stickers-text`.
    Expected: after 1000 steps, box AP50 of base classes 5.1 on `test-seen:300`; nothing
    of novel ones.
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
    Command: `python benchmarks/stickers_study.py --start START --rows rpn`; or
    `vild train stickers-rpn stickers:train --out runs/stickers-rpn`.
    Hardware: two CPU cores, 15 minutes on TensorFlow.
    Expected: rpn_score_loss 0.14 at the end; recall not yet measured.
    """
    start = first_stage(stickers_text())
    return dataclasses.replace(
        start,
        name="stickers-rpn",
        # Where something is takes fewer steps to learn than what it is.
        steps=900,
        optimizer=dataclasses.replace(start.optimizer, boundaries=(600, 800)),
    )
