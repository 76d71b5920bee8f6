"""From a batch to everything that the losses compare."""

from typing import Any

from vild.backends import keras
from vild.heads.mask import CROP_SIZE as MASK_CROP_SIZE
from vild.model import ViLD
from vild.ops import scoring
from vild.ops.anchors import ASPECT_RATIOS, level_anchors
from vild.ops.noise import uniform
from vild.ops.proposals import generate_proposals
from vild.recipes.losses import Losses
from vild.training import anchor_targets, region_targets
from vild.training.region_targets import RegionSample

ops = keras.ops

# Streams of an example's noise.
_ANCHORS, _REGIONS = 1, 2


class Learner(keras.layers.Layer):
    """A model on the way of training: forward, sampling, targets.

    Args:
        model: what is trained.
        rows: (K, D) float32 vectors of the classes.
        base: (K,) bool, the classes that are trained; the logits of others are 0,
            as released. None: all.
        settings: what is sampled.
        learn_rows: whether the classes' vectors are trained too, as those of an
            ordinary classifier; else they stay as they are.
        batch_size: images that come together, where the framework does not know it
            beforehand; None: it does.

    Source: paper section 3; released behaviour.
    """

    def __init__(
        self,
        model: ViLD,
        rows: Any,
        base: Any = None,
        settings: Losses | None = None,
        *,
        learn_rows: bool = False,
        batch_size: int | None = None,
    ) -> None:
        # Boxes are pixels: they stay float32, whatever the model computes in.
        super().__init__(name="learner", dtype=model.dtype_policy, autocast=False)
        self.model = model
        self.settings = settings or Losses()
        self.batch_size = batch_size
        self.rows = self.add_weight(
            shape=tuple(rows.shape),
            dtype="float32",
            trainable=learn_rows,
            name="classes",
        )
        self.rows.assign(rows)
        self.trained = None
        if base is not None:
            flags = ops.convert_to_tensor(base, "bool")
            self.trained = ops.concatenate([ops.ones((1,), "bool"), flags])
        self.built = True

    def call(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Everything the losses need.

        Args:
            batch: see `vild.training.trainer.Trainer`.

        Returns:
            A dictionary of outputs and targets.
        """
        model = self.model
        batch = self._known_size(batch)
        features = model.features(batch["images"], training=True)
        scores, deltas = model.rpn(features, training=True)
        proposals = self.propose(batch, scores, deltas)
        sample = self.sample(batch, proposals)
        distilled = self.settings.distill_weight > 0
        rois = sample.boxes
        if distilled:
            rois = ops.concatenate([rois, batch["roi_boxes"]], axis=1)
        crops = model.crop_regions(features, rois)
        number = sample.boxes.shape[1]
        boxes, embeddings, imitated = model.region.learn(
            crops[:, :number], crops[:, number:] if distilled else None
        )
        outputs = {
            "anchor_scores": scores,
            "anchor_boxes": deltas,
            "boxes": boxes,
            # (B, 1 + K, S) -> (B, S, 1 + K): one row of logits per region.
            "classes": ops.swapaxes(
                scoring.text_logits(
                    embeddings,
                    scoring.normalise(self.rows),
                    model.region.background,
                    temperature=model.config["temperature"],
                ),
                1,
                2,
            ),
            "imitated": imitated,
            "sample": sample,
            "anchor_targets": self.anchor_targets(batch, scores),
        }
        if model.mask is not None:
            masked = region_targets.sample_masks(sample, self.settings.masks)
            crops = model.crop(features, masked.boxes, MASK_CROP_SIZE)
            outputs["masks"] = model.mask(crops, training=True)
            outputs["mask_targets"] = region_targets.mask_targets(
                batch["masks"], masked
            )
            outputs["mask_classes"] = masked.classes
        return outputs

    def propose(self, batch: dict[str, Any], scores: Any, deltas: Any) -> Any:
        """Proposals of the RPN as it is now; no gradient goes through them.

        Args:
            batch: see the class.
            scores: per level, of the RPN.
            deltas: per level, of the RPN.

        Returns:
            (B, P, 4) float32, y1 x1 y2 x2 in pixels of the model input.
        """
        boxes, _ = generate_proposals(
            [ops.stop_gradient(score) for score in scores],
            [ops.stop_gradient(delta) for delta in deltas],
            self.model.levels,
            batch["image_shape"],
            self.settings.pre_nms_proposals,
            self.settings.num_proposals,
        )
        return ops.stop_gradient(boxes)

    def sample(self, batch: dict[str, Any], proposals: Any) -> RegionSample:
        """The regions that learn.

        Args:
            batch: see the class.
            proposals: (B, P, 4) float32.

        Returns:
            A sample; the same for the same `seeds`.
        """
        size = proposals.shape[1] + batch["boxes"].shape[1]
        return region_targets.sample_regions(
            proposals,
            batch["boxes"],
            batch["classes"],
            uniform(batch["seeds"], size, _REGIONS),
            self.settings.regions,
            self.settings.region_positives,
        )

    def anchor_targets(
        self, batch: dict[str, Any], scores: Any
    ) -> tuple[list[Any], list[Any]]:
        """What the RPN should say, per level.

        Args:
            batch: see the class.
            scores: per level (B, H, W, A), for the shapes.

        Returns:
            Per level (B, H, W, A) int32 scores and (B, H, W, 4 A) float32 boxes.
        """
        shapes = [score.shape for score in scores]
        levels = zip(shapes, self.model.levels, strict=True)
        grids = [level_anchors(s[1], s[2], level) for s, level in levels]
        anchors = ops.concatenate([ops.convert_to_tensor(g) for g in grids])
        match = anchor_targets.match_anchors(anchors, batch["boxes"])
        boxes = anchor_targets.anchor_boxes(anchors, batch["boxes"], match)
        targets = anchor_targets.anchor_scores(
            match,
            uniform(batch["seeds"], match.shape[1], _ANCHORS),
            self.settings.anchors,
            self.settings.anchor_positives,
        )
        per_score, per_box, start = [], [], 0
        for (count, height, width, _), grid in zip(shapes, grids, strict=True):
            part = slice(start, start + len(grid))
            shape = (count, height, width, len(ASPECT_RATIOS))
            per_score.append(ops.reshape(targets[:, part], shape))
            per_box.append(ops.reshape(boxes[:, part], (*shape[:3], 4 * shape[3])))
            start += len(grid)
        return per_score, per_box

    def _known_size(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with its size told, which static shapes need."""
        size = self.batch_size
        if size is None:
            return batch
        return {
            name: ops.reshape(value, (size, *value.shape[1:]))
            for name, value in batch.items()
        }
