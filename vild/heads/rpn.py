"""Region proposal head: is there an object at this anchor, and where exactly."""

from collections.abc import Sequence
from typing import Any

from vild.backends import keras
from vild.layers import batch_norm, conv
from vild.ops.anchors import ASPECT_RATIOS

ops = keras.ops


class RPNHead(keras.layers.Layer):
    """Convolutions shared by all levels, batch norms of each level's own.

    Args:
        levels: the pyramid levels it is applied to.
        channels: of the input and of the hidden convolutions.
        convs: number of hidden convolutions.
        name: layer name.

    Source: released behaviour.
    """

    def __init__(
        self,
        levels: Sequence[int],
        channels: int = 256,
        convs: int = 2,
        name: str = "rpn",
    ) -> None:
        super().__init__(name=name)
        self.channels = channels
        normal = keras.initializers.RandomNormal(stddev=0.01)
        self.convs = [
            conv(channels, 3, f"conv_{i}", kernel_initializer=normal)
            for i in range(convs)
        ]
        # One flat list, level by level: Keras before 3.15 leaves lists of lists out
        # of the weights it saves.
        self.norms = [
            batch_norm(f"level{level}_norm_{i}")
            for level in levels
            for i in range(convs)
        ]
        anchors = len(ASPECT_RATIOS)
        # Outputs stay float32 in mixed precision: box deltas are pixels.
        last = {"dtype": "float32", "kernel_initializer": normal}
        self.scores = conv(anchors, 1, "scores", **last)
        self.deltas = conv(4 * anchors, 1, "deltas", **last)

    def build(self, shapes: Sequence[Any]) -> None:
        """Builds the shared convolutions and every level's norms."""
        shape = (None, None, None, self.channels)
        shared = (*self.convs, self.scores, self.deltas)
        for layer in (*shared, *self.norms):
            layer.build(shape)

    def call(
        self, features: Sequence[Any], training: bool | None = None
    ) -> tuple[list[Any], list[Any]]:
        """Scores every anchor.

        Args:
            features: (B, h, w, C) maps, one per level.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            Per level (B, h, w, A) float32 logits and (B, h, w, 4 * A) float32
            deltas dy dx dh dw, A anchors per position.
        """
        scores, deltas = [], []
        norms = iter(self.norms)
        for x in features:
            for layer in self.convs:
                norm = next(norms)
                x = ops.relu(norm(layer(x), training=training))
            x = ops.cast(x, "float32")
            scores.append(self.scores(x))
            deltas.append(self.deltas(x))
        return scores, deltas

    def compute_output_shape(self, shapes: Sequence[Any]) -> tuple[list, list]:
        """Shapes of scores and deltas per level."""
        anchors = len(ASPECT_RATIOS)
        return (
            [(*shape[:3], anchors) for shape in shapes],
            [(*shape[:3], 4 * anchors) for shape in shapes],
        )
