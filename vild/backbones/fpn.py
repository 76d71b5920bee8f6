"""Feature pyramid: P2..P6 out of C2..C5."""

from collections.abc import Sequence
from typing import Any

from vild.backends import keras
from vild.layers import batch_norm, conv

ops = keras.ops


class FeaturePyramid(keras.layers.Layer):
    """Top-down pathway with lateral connections, batch norm on every output.

    Args:
        channels: of every output.
        first: level of the backbone's first output (stride 2**first).
        last: highest level of the pyramid; levels past the backbone's last one
            are strided convolutions of the level below.
        backbone_last: level of the backbone's last output.
        name: layer name.

    Source: released behaviour. Convolutions have biases and no activation; the
    level above the backbone's comes from the highest map before its batch norm.
    """

    def __init__(
        self,
        channels: int = 256,
        first: int = 2,
        last: int = 6,
        backbone_last: int = 5,
        name: str = "fpn",
    ) -> None:
        super().__init__(name=name)
        self.backbone_levels = range(first, backbone_last + 1)
        self.extra_levels = range(backbone_last + 1, last + 1)
        self.laterals = [
            conv(channels, 1, f"lateral_{level}") for level in self.backbone_levels
        ]
        self.outputs_ = [
            conv(channels, 3, f"output_{level}") for level in self.backbone_levels
        ]
        self.extras = [
            conv(channels, 3, f"output_{level}", strides=2)
            for level in self.extra_levels
        ]
        self.norms = [batch_norm(f"norm_{level}") for level in range(first, last + 1)]

    def build(self, shapes: Sequence[Any]) -> None:
        """Builds the convolutions on the shapes of the backbone's outputs."""
        channels = self.laterals[0].filters
        shape = (None, None, None, channels)
        for lateral, backbone_shape in zip(self.laterals, shapes, strict=True):
            lateral.build(tuple(backbone_shape))
        for layer in (*self.outputs_, *self.extras, *self.norms):
            layer.build(shape)

    def call(self, features: Sequence[Any], training: bool | None = None) -> list[Any]:
        """Merges a backbone's outputs from coarse to fine.

        Args:
            features: (B, h, w, C) maps, finest first, each half as large as the
                one before.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            The maps of all levels, finest first, (B, h, w, channels).
        """
        merged = [
            lateral(feature)
            for lateral, feature in zip(self.laterals, features, strict=True)
        ]
        for i in reversed(range(len(merged) - 1)):
            above = ops.repeat(ops.repeat(merged[i + 1], 2, axis=1), 2, axis=2)
            merged[i] = merged[i] + above
        maps = [
            layer(feature) for layer, feature in zip(self.outputs_, merged, strict=True)
        ]
        for layer in self.extras:
            maps.append(layer(maps[-1]))
        return [
            norm(feature, training=training)
            for norm, feature in zip(self.norms, maps, strict=True)
        ]

    def compute_output_shape(self, shapes: Sequence[Any]) -> list[Any]:
        """Shapes of all levels."""
        channels = self.laterals[0].filters
        result = [(*shape[:3], channels) for shape in shapes]
        for _ in self.extras:
            batch, height, width, _ = result[-1]
            half = [None if side is None else -(-side // 2) for side in (height, width)]
            result.append((batch, *half, channels))
        return result
