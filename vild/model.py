"""The ViLD network: pixels in, regions with embeddings out; words never enter."""

from collections.abc import Sequence
from typing import Any

from vild.backbones.fpn import FeaturePyramid
from vild.backbones.resnet import resnet
from vild.backends import keras
from vild.errors import InputError
from vild.heads.mask import CROP_SIZE as MASK_CROP_SIZE
from vild.heads.mask import MaskHead
from vild.heads.region import CROP_SIZE, RegionHead
from vild.heads.rpn import RPNHead
from vild.layers import default_policy
from vild.ops import boxes as box_ops
from vild.ops.proposals import generate_proposals
from vild.ops.roi_crop import CANONICAL_SIZE, roi_crop
from vild.ops.scoring import TEMPERATURE

ops = keras.ops

FIRST_LEVEL = 2


class ViLD(keras.Model):
    """Two-stage detector whose regions live in the space of an image-text teacher.

    Args:
        backbone: 50 or 152 for the released ResNets, or any `keras.Model` from
            (B, H, W, 3) images to the list of its maps at strides 4, 8, 16, 32.
        ensemble: whether the image branch has weights of its own.
        dim: dimension of the teacher's space.
        pyramid: whether a feature pyramid stands between the backbone and the heads,
            as released; without it the heads read the backbone's maps, which all
            have `channels` then, and `last_level` is 5.
        channels: of pyramid and heads.
        last_level: highest pyramid level; 6 as released. Input sizes must be
            multiples of 2**last_level.
        rpn_convs: hidden convolutions of the RPN.
        region_crop: height and width in cells of what a region branch sees.
        region_convs: convolutions of each region branch: how many of `channels`, or
            outputs and stride of each.
        region_units: widths of each region branch's fully connected layers.
        mask_convs: convolutions of the mask head; None: no mask head.
        canonical_size: in pixels, of a region that is cropped from level 4; each level
            below has those of half the size.
        temperature: what cosines of regions and words are multiplied by; 100 as
            released, which suits texts that lie as close together as CLIP's.
        proposals: (pre_nms, total), the proposal counts of `call`.
        dtype: Keras dtype policy: `"float32"`, `"mixed_bfloat16"`, ...
        name: model name.

    Raises:
        InputError: if the backbone does not yield such maps, or for a temperature that
            is none.

    Example:
        >>> model = ViLD(50, ensemble=True)
        >>> model.count_params() > 60e6
        True

    Source: paper figure 2; released behaviour.
    """

    def __init__(
        self,
        backbone: Any = 50,
        *,
        ensemble: bool = True,
        dim: int = 512,
        pyramid: bool = True,
        channels: int = 256,
        last_level: int = 6,
        rpn_convs: int = 2,
        region_crop: int = CROP_SIZE,
        region_convs: int | Sequence[tuple[int, int]] = 4,
        region_units: Sequence[int] = (1024, 1024),
        mask_convs: int | None = 4,
        canonical_size: float = CANONICAL_SIZE,
        temperature: float = TEMPERATURE,
        proposals: tuple[int, int] = (1000, 1000),
        dtype: Any = None,
        name: str = "vild",
    ) -> None:
        if not temperature > 0:
            raise InputError(f"temperature must be above 0, received {temperature!r}.")
        super().__init__(name=name, dtype=dtype)
        if not isinstance(region_convs, int):
            region_convs = tuple((filters, stride) for filters, stride in region_convs)
        self.config = {
            "backbone": backbone,
            "ensemble": ensemble,
            "dim": dim,
            "pyramid": pyramid,
            "channels": channels,
            "last_level": last_level,
            "rpn_convs": rpn_convs,
            "region_crop": region_crop,
            "region_convs": region_convs,
            "region_units": tuple(region_units),
            "mask_convs": mask_convs,
            "canonical_size": float(canonical_size),
            "temperature": float(temperature),
            "proposals": tuple(proposals),
        }
        self.levels = range(FIRST_LEVEL, last_level + 1)
        with default_policy(self.dtype_policy):
            if isinstance(backbone, int):
                backbone = resnet(backbone)
            self.backbone = _checked(backbone)
            self.fpn: Any = None
            if pyramid:
                self.fpn = FeaturePyramid(channels, FIRST_LEVEL, last_level)
            else:
                _check_maps(self.backbone, channels, last_level)
            self.rpn = RPNHead(self.levels, channels, rpn_convs)
            self.region = RegionHead(
                ensemble, dim, channels, region_convs, region_units
            )
            self.mask: Any = None
            if mask_convs is not None:
                self.mask = MaskHead(channels, mask_convs)
        self._build_parts()

    def _build_parts(self) -> None:
        """Makes every variable now, so that weights can be loaded at once."""
        channels = self.config["channels"]
        if not self.backbone.built:
            self.backbone.build((None, None, None, 3))
        features = [(None, None, None, s[-1]) for s in _map_shapes(self.backbone)]
        levels = [(None, None, None, channels)] * len(self.levels)
        if self.fpn is not None:
            self.fpn.build(features)
        self.rpn.build(levels)
        side = self.config["region_crop"]
        self.region.build((None, None, side, side, channels))
        if self.mask is not None:
            self.mask.build((None, None, MASK_CROP_SIZE, MASK_CROP_SIZE, channels))
        self.built = True

    def features(self, images: Any, training: bool | None = None) -> list[Any]:
        """Runs backbone and pyramid.

        Args:
            images: (B, H, W, 3) float32, preprocessed; H and W multiples of 64.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            P2..P6, (B, H / 2**level, W / 2**level, channels).
        """
        maps = self.backbone(images, training=training)
        if self.fpn is None:
            return list(maps)
        return self.fpn(maps, training=training)

    def propose(
        self, features: Sequence[Any], image_shape: Any, pre_nms: int, total: int
    ) -> tuple[Any, Any]:
        """Finds where objects may be.

        Args:
            features: from `features`.
            image_shape: (B, 2) float32, height and width to clip boxes to: the
                desired size, not that of the scaled photo (released behaviour).
            pre_nms: boxes per level that enter the suppression.
            total: regions to return.

        Returns:
            `rois` (B, total, 4) float32 y1 x1 y2 x2 in pixels of the model
            input and `objectness` (B, total) float32; see
            `vild.ops.proposals.generate_proposals`.
        """
        scores, deltas = self.rpn(features)
        return generate_proposals(
            scores, deltas, self.levels, image_shape, pre_nms, total
        )

    def crop(self, features: Sequence[Any], boxes: Any, size: int) -> Any:
        """Crops regions out of the levels that fit their sizes.

        Args:
            features: from `features`.
            boxes: (B, N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
            size: height and width of a crop in cells.

        Returns:
            (B, N, size, size, channels).
        """
        canonical = self.config["canonical_size"]
        return roi_crop(features, FIRST_LEVEL, boxes, size, canonical)

    def crop_regions(self, features: Sequence[Any], boxes: Any) -> Any:
        """Crops what the region branches see.

        Args:
            features: from `features`.
            boxes: (B, N, 4) float32, y1 x1 y2 x2 in pixels of the model input.

        Returns:
            (B, N, S, S, channels), S being `region_crop`.
        """
        return self.crop(features, boxes, self.config["region_crop"])

    def embed(
        self, features: Sequence[Any], rois: Any, image_shape: Any
    ) -> dict[str, Any]:
        """Embeds regions and refines their boxes.

        Args:
            features: from `features`.
            rois: (B, N, 4) float32, y1 x1 y2 x2 in pixels of the model input.
            image_shape: (B, 2) float32, as for `propose`.

        Returns:
            `boxes` (B, N, 4) float32 refined and clipped, `text_embeddings`
            (B, N, dim) float32 and, in the ensemble, `image_embeddings`.
        """
        outputs = self.region(self.crop_regions(features, rois))
        deltas = outputs.pop("deltas")
        boxes = box_ops.decode(deltas, rois, box_ops.REGION_WEIGHTS)
        return {"boxes": box_ops.clip(boxes, image_shape), **outputs}

    def mask_logits(self, features: Sequence[Any], boxes: Any) -> Any:
        """Predicts masks inside boxes.

        Args:
            features: from `features`.
            boxes: (B, N, 4) float32, y1 x1 y2 x2 in pixels of the model input.

        Returns:
            (B, N, 28, 28) float32 logits.
        """
        return self.mask(self.crop(features, boxes, MASK_CROP_SIZE))

    def encode(
        self, images: Any, image_shape: Any, pre_nms: int, total: int
    ) -> dict[str, Any]:
        """One look at the images: everything that does not depend on words.

        Args:
            images: (B, H, W, 3) float32, preprocessed; H and W multiples of 64.
            image_shape: (B, 2) float32, as for `propose`.
            pre_nms: boxes per level that enter the suppression.
            total: regions per image.

        Returns:
            `rois`, `objectness`, `boxes`, `text_embeddings`, in the ensemble
            `image_embeddings`, and `features`, the list of pyramid maps.
        """
        features = self.features(images)
        rois, objectness = self.propose(features, image_shape, pre_nms, total)
        return {
            "rois": rois,
            "objectness": objectness,
            **self.embed(features, rois, image_shape),
            "features": features,
        }

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Encodes images that fill their input; see `encode`.

        Args:
            images: (B, H, W, 3) float32, preprocessed.
            training: must be false; training has a step of its own.

        Returns:
            The dictionary of `encode`.
        """
        size = ops.cast(ops.shape(images)[1:3], "float32")
        image_shape = ops.broadcast_to(size[None], (ops.shape(images)[0], 2))
        return self.encode(images, image_shape, *self.config["proposals"])

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, JSON-serialisable."""
        config = {**super().get_config(), **self.config}
        if not isinstance(config["backbone"], int):
            config["backbone"] = keras.saving.serialize_keras_object(self.backbone)
        config.pop("trainable", None)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ViLD":
        """Builds a model from `get_config`.

        Args:
            config: as `get_config` returned it.
            custom_objects: classes of a custom backbone by name.

        Returns:
            The model, with fresh weights.
        """
        config = dict(config)
        if isinstance(config["backbone"], dict):
            config["backbone"] = keras.saving.deserialize_keras_object(
                config["backbone"], custom_objects=custom_objects
            )
        return cls(**config)


def _checked(backbone: Any) -> Any:
    """A backbone, if it yields maps at strides 4, 8, 16, 32."""
    try:
        sides = [shape[1] for shape in _map_shapes(backbone)]
    except Exception as error:  # whatever a foreign model raises
        raise InputError(
            f"{backbone!r} cannot be a backbone, since its output shapes are not known "
            f"({error}): give it compute_output_shape, or make it a functional model."
        ) from error
    if sides != [64, 32, 16, 8]:
        raise InputError(
            "A backbone must yield 4 maps at strides 4, 8, 16, 32, so with sides 64, "
            f"32, 16, 8 of a 256-pixel image; received {len(sides)} maps with sides "
            f"{sides}."
        )
    return backbone


def _check_maps(backbone: Any, channels: int, last_level: int) -> None:
    """Refuses a backbone whose maps the heads cannot read."""
    found = [shape[-1] for shape in _map_shapes(backbone)]
    if found != [channels] * 4 or last_level != 5:
        raise InputError(
            "Without a pyramid the heads read the four maps of the backbone, so each "
            f"must have `channels` and last_level must be 5; received maps of {found} "
            f"channels, channels {channels} and last_level {last_level}."
        )


def _map_shapes(backbone: Any) -> list[tuple[int, ...]]:
    """Shapes of the maps that a backbone makes of a 256-pixel image."""
    shapes = backbone.compute_output_shape((1, 256, 256, 3))
    return [tuple(shape) for shape in shapes]
