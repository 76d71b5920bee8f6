"""The model as Keras trains it: a batch in, six losses out."""

from collections.abc import Callable
from typing import Any

from vild.backends import keras, kernels
from vild.training import losses, region_targets
from vild.training.learner import Learner

ops = keras.ops

LOSSES = ("rpn_score", "rpn_box", "class", "box", "mask", "distill", "l2")

# Variables of these names are held small: kernels, and the vectors of classes.
_REGULARISED = ("kernel", "background", "classes")


class Trainer(keras.Model):
    """A ViLD model that `fit` can train.

    A batch is a dictionary of arrays:

    - `images` (B, H, W, 3) float32, preprocessed;
    - `image_shape` (B, 2) float32, height and width that proposals are clipped to;
    - `boxes` (B, G, 4) float32 y1 x1 y2 x2 in pixels of the model input, `classes`
      (B, G) int32 from 1, padded with -1; with a mask head `masks` (B, G, 112, 112),
      0 to 1 inside the boxes;
    - `seeds` (B,) int32, from which all that is random about an image follows;
    - with distillation `roi_boxes` (B, R, 4) float32, padded with boxes of -1, and
      `roi_features` (B, R, D) float32 of the teacher;
    - where images are annotated in part, `annotated` (B, K) bool: for which classes.

    Where several devices share a batch, the losses and the step are those of one device
    with all of it, as far as batch norm is not each device's own. With the setting
    `per_replica` they are means of what each device finds in its part, as released.

    Args:
        learner: what is trained, and on what.

    Source: paper section 3; released behaviour.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__(name="trainer", dtype=learner.dtype_policy, autocast=False)
        self.learner = learner
        used = [name for name in LOSSES if _is_used(name, learner)]
        self.trackers = {name: keras.metrics.Mean(f"{name}_loss") for name in used}
        self._forward: Callable[..., Any] = kernels.data_parallel(learner)
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
        return self._forward(batch)

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
        settings = self.learner.settings
        weights = {"class": settings.class_weight, "distill": settings.distill_weight}
        total = sum(weights.get(name, 1.0) * value for name, value in found.items())
        for name, value in found.items():
            self.trackers[name].update_state(_everywhere(value))
        # The value is that of the whole batch, the gradient that of the part here.
        total = total + ops.stop_gradient(_everywhere(total) - total)
        return kernels.share_of_sum(total)

    def losses_of(self, batch: dict[str, Any], outputs: dict[str, Any]) -> Any:
        """All losses, not weighted, but for that of the kernels.

        Args:
            batch: see the class.
            outputs: what `call` gave.

        Returns:
            Name -> scalar float32. Of several devices that each have a part of the
            batch, the mean over them is the loss.
        """
        settings = self.learner.settings
        if settings.per_replica:
            found = kernels.mean_over_parts(self._compared, batch, outputs)
        else:
            found = self._compared(batch, outputs, kernels.mean_over_replicas)
        squares = [ops.sum(ops.square(kernel)) for kernel in self.kernels()]
        found["l2"] = settings.l2 * 0.5 * sum(squares)
        return found

    def _compared(
        self,
        batch: dict[str, Any],
        outputs: dict[str, Any],
        across: losses.Across = losses.alone,
    ) -> dict[str, Any]:
        """The losses that compare outputs with targets."""
        settings = self.learner.settings
        sample = outputs["sample"]
        scores, boxes = outputs["anchor_targets"]
        found = {
            "rpn_score": losses.rpn_score_loss(
                outputs["anchor_scores"], scores, settings.anchors
            ),
            "rpn_box": losses.rpn_box_loss(outputs["anchor_boxes"], boxes, across),
            "class": losses.class_loss(
                outputs["classes"],
                sample.classes,
                self.learner.trained,
                across,
                batch.get("annotated"),
            ),
            "box": losses.box_loss(
                outputs["boxes"],
                region_targets.region_boxes(sample),
                sample.classes,
                across,
            ),
        }
        if "masks" in outputs:
            found["mask"] = losses.mask_loss(
                outputs["masks"],
                outputs["mask_targets"],
                outputs["mask_classes"],
                across,
            )
        if outputs["imitated"] is not None:
            found["distill"] = losses.distill_loss(
                outputs["imitated"],
                batch["roi_features"],
                batch["roi_boxes"],
                across,
            )
        return found

    def kernels(self) -> list[Any]:
        """The variables that the L2 loss holds small."""
        return [
            variable
            for variable in self.learner.trainable_variables
            if variable.path.rsplit("/", 1)[-1] in _REGULARISED
        ]


def _is_used(loss: str, learner: Learner) -> bool:
    return {
        "mask": learner.model.mask is not None,
        "distill": learner.settings.distill_weight > 0,
    }.get(loss, True)


def _everywhere(value: Any) -> Any:
    """A loss of the whole batch, for people."""
    return kernels.mean_over_replicas(ops.stop_gradient(value))
