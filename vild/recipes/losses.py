"""What is sampled of an image, and how the losses weigh."""

from dataclasses import dataclass

from vild.errors import InputError


@dataclass(frozen=True)
class Losses:
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
        per_replica: whether each device divides by the counts of its own part of the
            batch, and the losses are averaged then, as released; if not, counts are
            those of the whole batch, and the number of devices changes nothing.

    Raises:
        InputError: for numbers that make no sense.

    Example:
        >>> Losses(distill_weight=1.0).regions
        512

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
    per_replica: bool = False

    def __post_init__(self) -> None:
        for name in ("anchors", "pre_nms_proposals", "num_proposals", "regions"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"losses.{name} must be 1 or more, received {getattr(self, name)}."
                )
        for name in ("distill_weight", "class_weight", "l2"):
            if not getattr(self, name) >= 0:
                raise InputError(
                    f"losses.{name} must be 0 or more, received {getattr(self, name)}."
                )
