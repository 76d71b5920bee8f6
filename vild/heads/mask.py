"""Mask head: which pixels of a box belong to the object, whatever its class."""

from typing import Any

from vild.backends import keras
from vild.heads.region import he_fan_out
from vild.layers import Stack, batch_norm, conv, initial

ops = keras.ops

CROP_SIZE = 14
MASK_SIZE = 2 * CROP_SIZE


class MaskHead(keras.layers.Layer):
    """Convolutions, one upsampling, one channel of logits.

    Args:
        channels: of the convolutions.
        convs: how many before the upsampling.
        name: layer name.

    Source: released behaviour.
    """

    def __init__(self, channels: int = 256, convs: int = 4, name: str = "mask") -> None:
        super().__init__(name=name)
        layers: list[Any] = []
        for i in range(convs):
            layers += [
                conv(channels, 3, f"conv_{i}", kernel_initializer=he_fan_out()),
                batch_norm(f"conv_{i}_norm"),
                keras.layers.ReLU(name=f"conv_{i}_relu"),
            ]
        layers += [
            keras.layers.Conv2DTranspose(
                channels,
                2,
                strides=2,
                padding="valid",
                data_format="channels_last",
                kernel_initializer=initial(he_fan_out()),
                name="upsample",
            ),
            batch_norm("upsample_norm"),
            keras.layers.ReLU(name="upsample_relu"),
            conv(
                1,
                1,
                "logits",
                dtype="float32",
                kernel_initializer=he_fan_out(),
            ),
        ]
        self.stack = Stack(layers, "stack")

    def build(self, shape: Any) -> None:
        """Builds the layers on crops of shape (M, 14, 14, C)."""
        self.stack.build((None, CROP_SIZE, CROP_SIZE, shape[-1]))

    def call(self, crops: Any, training: bool | None = None) -> Any:
        """Predicts masks.

        Args:
            crops: (B, N, 14, 14, C) features.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            (B, N, 28, 28) float32 logits.
        """
        number = crops.shape[1]
        flat = ops.reshape(crops, (-1, CROP_SIZE, CROP_SIZE, crops.shape[-1]))
        logits = self.stack(flat, training=training)
        return ops.reshape(logits, (-1, number, MASK_SIZE, MASK_SIZE))
