"""What a training is made of: model, images, classes, losses, steps."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from vild.data.preprocessing import canonical_size
from vild.errors import InputError
from vild.recipes.losses import Losses

BACKBONES = (50, 152, "resnet", "initial")
PARTS = ("backbone", "fpn", "rpn", "region", "mask")


@dataclass(frozen=True)
class Model:
    """The network.

    Attributes:
        backbone: 50 or 152 for the released ResNets; `"resnet"` for one of `blocks` and
            `width`; `"package.module:function"`, which makes a `keras.Model` of
            maps at strides 4, 8, 16, 32; or `"initial"`: the whole network is that of
            the detector directory `initial_weights`, and what is said of it here
            counts only as far as `mask_convs` may be None.
        blocks: bottleneck blocks of the four groups of `"resnet"`.
        width: filters of its stem.
        ensemble: whether the image branch has weights of its own.
        pyramid: whether a feature pyramid stands between backbone and heads; without
            it the heads read the backbone's maps.
        channels: of pyramid and heads.
        last_level: highest pyramid level.
        rpn_convs: hidden convolutions of the RPN.
        region_crop: height and width in cells of what a region branch sees.
        region_convs: convolutions of each region branch: how many of `channels`, or
            outputs and stride of each.
        region_units: widths of each region branch's fully connected layers.
        mask_convs: convolutions of the mask head; None: no masks.
        canonical_size: in pixels, of a region that is cropped from level 4. Where
            images are small, a smaller one lets large objects have the higher levels.
        temperature: what cosines of regions and words are multiplied by: 100, as for
            CLIP, or what the teacher was trained with.
        dim: of the space that regions are embedded in, where no teacher says it.
        initial_weights: where weights come from at the start; see
            `vild.runs.initial`. None: from chance.
        frozen: parts that are not trained: `backbone`, `fpn`, `rpn`, `region`, `mask`.
        batch_norm_momentum: how much of the old statistics stays at each step; a
            training of fewer than some thousand steps needs less than the released
            0.997.
        share_batch_norm: whether batch norm sees the batch of all devices, where
            each has a part of it. (On JAX it always does.)
    """

    backbone: int | str = 50
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    width: int = 64
    ensemble: bool = True
    pyramid: bool = True
    channels: int = 256
    last_level: int = 6
    rpn_convs: int = 2
    region_crop: int = 7
    region_convs: int | tuple[tuple[int, int], ...] = 4
    region_units: tuple[int, ...] = (1024, 1024)
    mask_convs: int | None = 4
    canonical_size: float = 224.0
    temperature: float = 100.0
    dim: int = 512
    initial_weights: str | None = None
    frozen: tuple[str, ...] = ()
    batch_norm_momentum: float = 0.997
    share_batch_norm: bool = False

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES and ":" not in str(self.backbone):
            raise InputError(
                "model.backbone must be 50, 152, resnet, initial or "
                f"package.module:function, received {self.backbone!r}."
            )
        if self.backbone == "initial" and self.initial_weights is None:
            raise InputError(
                "With model.backbone=initial the network is that of a detector: name "
                "its directory by model.initial_weights."
            )
        for name in ("canonical_size", "temperature"):
            value = getattr(self, name)
            if not value > 0:
                raise InputError(f"model.{name} must be above 0, received {value!r}.")
        strange = set(self.frozen) - set(PARTS)
        if strange:
            raise InputError(
                f"model.frozen may hold {', '.join(PARTS)}, received "
                f"{sorted(strange)[0]!r}."
            )


@dataclass(frozen=True)
class Inputs:
    """How images are shown.

    Attributes:
        image_size: desired (height, width) of the model input in pixels, or one side.
        flip: whether half of the images are flipped left for right.
        scale: smallest and largest size of the photo, relative to the desired size.
        max_objects: objects of an image that are looked at.
        max_rois: regions of an image that imitate the teacher.
        copy_paste: how often objects of another image are pasted in, 0 to 1.
    """

    image_size: int | tuple[int, int] = 1024
    flip: bool = True
    scale: tuple[float, float] = (0.1, 2.0)
    max_objects: int = 300
    max_rois: int = 300
    copy_paste: float = 0.0

    def __post_init__(self) -> None:
        canonical_size(self.image_size)
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(
                "inputs.scale must be two numbers above 0, smallest first, received "
                f"{self.scale!r}."
            )


@dataclass(frozen=True)
class Classes:
    """What regions are called.

    Attributes:
        classifier: `"text"`: vectors of a teacher, which stay as they are;
            `"learned"`: vectors that are trained, as in a closed-set detector.
        novel: `"masked"`: the logits of classes that are not trained are 0, as
            released; `"absent"`: these classes are not there in training (paper
            section 3.3).
        agnostic: whether all objects are of one class, "object".
        held_out: whether objects of novel categories are left out of training; if
            not, all categories are trained.
        partial: whether images tell for which categories they are annotated, see
            `vild.data.example.Example.annotated_ids`: then what has no label there may
            be of any other category, and is not learned to be none of them.
        templates: prompts; see `vild.prompts.read_templates`. None: the teacher's own.
    """

    classifier: str = "text"
    novel: str = "masked"
    agnostic: bool = False
    held_out: bool = True
    partial: bool = False
    templates: str | None = None

    def __post_init__(self) -> None:
        for name, values in (
            ("classifier", ("text", "learned")),
            ("novel", ("masked", "absent")),
        ):
            if getattr(self, name) not in values:
                raise InputError(
                    f"classes.{name} must be {' or '.join(values)}, received "
                    f"{getattr(self, name)!r}."
                )


@dataclass(frozen=True)
class Optimizer:
    """How steps are made: a warm-up, then rates by steps.

    Attributes:
        kind: `"momentum"`, as released; or `"adam"`, which wants smaller rates, such as
            0.001.
        rate: learning rate after the warm-up, for a batch of `reference_batch`. It is
            scaled with the batch size, so that a smaller batch makes smaller steps.
        reference_batch: images.
        warmup: steps.
        start: learning rate at step 0, scaled alike.
        boundaries: steps of the optimiser from which on the rate is another one.
        rates: which one, for each boundary.
        momentum: 0 to 1; Adam's is of the gradient's mean.
        accumulate: batches whose gradients are averaged before a step is made;
            `boundaries` and `warmup` count such steps, `Recipe.steps` batches.
    """

    kind: str = "momentum"
    rate: float = 0.32
    reference_batch: int = 256
    warmup: int = 1000
    start: float = 0.0032
    boundaries: tuple[int, ...] = (162_000, 171_000)
    rates: tuple[float, ...] = (0.032, 0.0032)
    momentum: float = 0.9
    accumulate: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("momentum", "adam"):
            raise InputError(
                f"optimizer.kind must be momentum or adam, received {self.kind!r}."
            )
        if len(self.boundaries) != len(self.rates):
            raise InputError(
                f"optimizer.boundaries and .rates must be equally many, received "
                f"{self.boundaries!r} and {self.rates!r}."
            )
        if self.accumulate < 1:
            raise InputError(
                f"optimizer.accumulate must be 1 or more, received {self.accumulate}."
            )


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on, but for dataset and teacher.

    Attributes:
        name: of the recipe.
        about: what it is for, in one line.
        model: the network.
        inputs: how images are shown.
        classes: what regions are called.
        losses: what is sampled, and how losses weigh.
        optimizer: how steps are made.
        batch_size: images, of all devices together.
        steps: how many batches. With `optimizer.accumulate` the optimiser makes fewer.
        save_every: steps between two checkpoints; also between two looks at the
            validation set.
        dtype: what the network computes in: float32, bfloat16 or float16.
        seed: of everything.
        settings: of the finished detector; see `vild.settings.Settings`.

    Raises:
        InputError: for values that make no sense.

    Example:
        >>> Recipe(batch_size=16, steps=100).rate_scale
        0.0625
    """

    name: str = "r50-ensemble"
    about: str = ""
    model: Model = field(default_factory=Model)
    inputs: Inputs = field(default_factory=Inputs)
    classes: Classes = field(default_factory=Classes)
    losses: Losses = field(default_factory=Losses)
    optimizer: Optimizer = field(default_factory=Optimizer)
    batch_size: int = 256
    steps: int = 180_000
    save_every: int = 1000
    dtype: str = "float32"
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("batch_size", "steps", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"{name} must be 1 or more, received {getattr(self, name)}."
                )
        if self.dtype not in ("float32", "bfloat16", "float16"):
            raise InputError(
                f"dtype must be float32, bfloat16 or float16, received {self.dtype!r}."
            )
        if self.model.ensemble and not self.losses.distill_weight:
            raise InputError(
                "The image branch of an ensemble learns from the teacher only: set "
                "losses.distill_weight above 0, or model.ensemble to false."
            )
        if self.classes.agnostic and self.classes.classifier != "learned":
            raise InputError(
                'One class "object" has no text: with classes.agnostic the '
                "classes.classifier must be learned."
            )

    @property
    def rate_scale(self) -> float:
        """What learning rates are multiplied by."""
        batch = self.batch_size * self.optimizer.accumulate
        return batch / self.optimizer.reference_batch

    @property
    def distils(self) -> bool:
        """Whether regions imitate the teacher."""
        return self.losses.distill_weight > 0

    def as_dict(self) -> dict[str, Any]:
        """The recipe as JSON has it: nested dictionaries, lists for tuples."""
        return _plain(dataclasses.asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
