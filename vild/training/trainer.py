"""The model as Keras trains it: a batch in, six losses out."""

from dataclasses import dataclass
from typing import Any

from vild.backends import keras
from vild.heads.mask import CROP_SIZE as MASK_CROP_SIZE
from vild.heads.region import CROP_SIZE
from vild.model import FIRST_LEVEL, ViLD
from vild.ops import scoring
from vild.ops.anchors import ASPECT_RATIOS, level_anchors
from vild.ops.roi_crop import roi_crop
from vild.training import anchor_targets, losses, region_targets
from vild.training.region_targets import RegionSample

ops = keras.ops

LOSSES = ("rpn_score", "rpn_box", "class", "box", "mask", "distill", "l2")


@dataclass(frozen=True)
class TrainSettings:
    """What is sampled of an image, and how the losses weigh.

    Attributes:
        anchors: anchors sampled per image.
        anchor_positives: how many of them at most are on objects.
        pre_nms_proposals: boxes per level that enter the RPN's suppression.
        num_proposals: proposals per image.
        regions: regions sampled per image.
        region_positives: how many of them at most are on objects.
        masks: regions per image whose masks learn.
        distill_weight: of the distillation loss; 0 for none of it.
        class_weight: of the class loss; 0 for distillation only.
        l2: weight of half the squared kernels.

    Source: released configuration.
    """

    anchors: int = 256
    anchor_positives: int = 128
    pre_nms_proposals: int = 2000
    num_proposals: int = 1000
    regions: int = 512
    region_positives: int = 128
    masks: int = 128
    distill_weight: float = 0.5
    class_weight: float = 1.0
    l2: float = 4e-5


class Trainer(keras.Model):
    """A ViLD model that `fit` can train.

    A batch is a dictionary of arrays:

    - `images` (B, H, W, 3) float32, preprocessed;
    - `image_shape` (B, 2) float32, height and width that proposals are clipped to;
    - `boxes` (B, G, 4) float32 y1 x1 y2 x2 in pixels of the model input, `classes`
      (B, G) int32 from 1, `masks` (B, G, 112, 112) uint8 0 or 1 inside the boxes;
      padded with boxes of -1;
    - with distillation `roi_boxes` (B, R, 4) float32, padded with boxes of -1, and
      `roi_features` (B, R, D) float32 of the teacher.

    Args:
        model: what is trained.
        rows: (K, D) float32 vectors of the classes; they stay as they are.
        base: (K,) bool, the classes that are trained; the logits of others are 0,
            as released. None: all.
        settings: what is sampled, and how the losses weigh.
        seed: of all sampling.

    Source: paper section 3; released behaviour.
    """

    def __init__(
        self,
        model: ViLD,
        rows: Any,
        base: Any = None,
        settings: TrainSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(name="trainer", dtype=model.dtype_policy)
        self.model = model
        self.settings = settings or TrainSettings()
        self.rows = ops.convert_to_tensor(rows, "float32")
        self.trained = None
        if base is not None:
            flags = ops.convert_to_tensor(base, "bool")
            self.trained = ops.concatenate([ops.ones((1,), "bool"), flags])
        self.noise = keras.random.SeedGenerator(seed)
        self.trackers = {name: keras.metrics.Mean(f"{name}_loss") for name in LOSSES}
        self.built = True

    def call(self, batch: dict[str, Any], training: bool | None = None) -> Any:
        """Everything the losses need.

        Args:
            batch: see the class.
            training: must not be false.

        Returns:
            A dictionary of outputs and targets.
        """
        del training
        model = self.model
        features = model.features(batch["images"], training=True)
        scores, deltas = model.rpn(features, training=True)
        proposals = self.propose(batch, scores, deltas)
        sample = self.sample(batch, proposals)
        distilled = self.settings.distill_weight > 0
        rois = sample.boxes
        if distilled:
            rois = ops.concatenate([rois, batch["roi_boxes"]], axis=1)
        crops = roi_crop(features, FIRST_LEVEL, rois, CROP_SIZE)
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
                scoring.text_logits(embeddings, self.rows, model.region.background),
                1,
                2,
            ),
            "imitated": imitated,
            "sample": sample,
            "anchor_targets": self.anchor_targets(batch, scores),
        }
        if model.mask is not None:
            masked = region_targets.sample_masks(sample, self.settings.masks)
            crops = roi_crop(features, FIRST_LEVEL, masked.boxes, MASK_CROP_SIZE)
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
        from vild.ops.proposals import generate_proposals

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
            A sample, drawn anew each time.
        """
        size = proposals.shape[1] + batch["boxes"].shape[1]
        return region_targets.sample_regions(
            proposals,
            batch["boxes"],
            batch["classes"],
            self._uniform((batch["boxes"].shape[0], size)),
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
            self._uniform(match.shape),
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

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The weighted sum of all losses.

        Args:
            x: the batch.
            y: nothing.
            y_pred: what `call` gave.
            sample_weight: nothing.
            training: not looked at.

        Returns:
            Scalar float32.
        """
        found = self.losses_of(x, y_pred)
        for name, value in found.items():
            self.trackers[name].update_state(value)
        settings = self.settings
        weights = {"class": settings.class_weight, "distill": settings.distill_weight}
        return sum(weights.get(name, 1.0) * value for name, value in found.items())

    def losses_of(self, batch: dict[str, Any], outputs: dict[str, Any]) -> Any:
        """All losses, not weighted, but for that of the kernels.

        Args:
            batch: see the class.
            outputs: what `call` gave.

        Returns:
            Name -> scalar float32.
        """
        sample = outputs["sample"]
        scores, boxes = outputs["anchor_targets"]
        found = {
            "rpn_score": losses.rpn_score_loss(
                outputs["anchor_scores"], scores, self.settings.anchors
            ),
            "rpn_box": losses.rpn_box_loss(outputs["anchor_boxes"], boxes),
            "class": losses.class_loss(
                outputs["classes"], sample.classes, self.trained
            ),
            "box": losses.box_loss(
                outputs["boxes"], region_targets.region_boxes(sample), sample.classes
            ),
        }
        if "masks" in outputs:
            found["mask"] = losses.mask_loss(
                outputs["masks"], outputs["mask_targets"], outputs["mask_classes"]
            )
        if outputs["imitated"] is not None:
            found["distill"] = losses.distill_loss(
                outputs["imitated"], batch["roi_features"], batch["roi_boxes"]
            )
        squares = [ops.sum(ops.square(kernel)) for kernel in self.kernels()]
        found["l2"] = self.settings.l2 * 0.5 * sum(squares)
        return found

    def kernels(self) -> list[Any]:
        """The variables that the L2 loss holds small: kernels and the background."""
        return [
            variable
            for variable in self.model.trainable_variables
            if variable.path.rsplit("/", 1)[-1] in ("kernel", "background")
        ]

    def _uniform(self, shape: Any) -> Any:
        return keras.random.uniform(shape, seed=self.noise)
