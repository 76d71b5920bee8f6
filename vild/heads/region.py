"""Region head: RoI features -> a vector in the teacher's space, and box deltas."""

from collections.abc import Sequence
from typing import Any

from vild.backends import keras
from vild.layers import Stack, batch_norm, conv, dense, initial
from vild.ops.scoring import normalise

ops = keras.ops

CROP_SIZE = 7


def region_branch(
    name: str, convs: Sequence[tuple[int, int]], units: Sequence[int]
) -> Any:
    """Convolutions, then fully connected layers, each with batch norm and ReLU.

    Args:
        name: layer name.
        convs: outputs and stride of each convolution.
        units: widths of the fully connected layers.

    Returns:
        A layer from (M, S, S, C) crops to (M, D) vectors. Crops are flattened by row,
        column, channel, as released.
    """
    layers: list[Any] = []
    for i, (filters, stride) in enumerate(convs):
        padding = "same"
        if stride > 1:  # TensorFlow's "same" would pad an even map on one side only
            padding = "valid"
            layers.append(
                keras.layers.ZeroPadding2D(
                    1, data_format="channels_last", name=f"conv_{i}_pad"
                )
            )
        layers += [
            conv(
                filters,
                3,
                f"conv_{i}",
                strides=stride,
                padding=padding,
                kernel_initializer=he_fan_out(),
            ),
            batch_norm(f"conv_{i}_norm"),
            keras.layers.ReLU(name=f"conv_{i}_relu"),
        ]
    layers.append(keras.layers.Flatten(data_format="channels_last", name="flatten"))
    for i, width in enumerate(units):
        layers += [
            dense(width, f"dense_{i}"),
            batch_norm(f"dense_{i}_norm"),
            keras.layers.ReLU(name=f"dense_{i}_relu"),
        ]
    return Stack(layers, name)


def he_fan_out() -> Any:
    """Initialiser of the convolutions in the box and mask heads."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


class RegionHead(keras.layers.Layer):
    """Text branch, and in the ensemble flavour an image branch beside it.

    The text branch is compared with the words, the image branch imitates the
    teacher's view of the crop. With one branch, it does both.

    Args:
        ensemble: whether there is an image branch of its own.
        dim: dimension of the teacher's space.
        channels: of the crops, and of convolutions that are given by their number.
        convs: convolutions per branch: how many, or outputs and stride of each.
        units: widths of the fully connected layers per branch.
        name: layer name.

    Source: paper sections 3.2-3.4; released behaviour.
    """

    def __init__(
        self,
        ensemble: bool = True,
        dim: int = 512,
        channels: int = 256,
        convs: int | Sequence[tuple[int, int]] = 4,
        units: Sequence[int] = (1024, 1024),
        name: str = "region",
    ) -> None:
        super().__init__(name=name)
        self.dim, self.channels = dim, channels
        if isinstance(convs, int):
            convs = [(channels, 1)] * convs
        self.text_branch = region_branch("text", convs, units)
        self.text_projection = dense(dim, "text_projection", dtype="float32")
        self.deltas = dense(
            4,
            "deltas",
            dtype="float32",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        )
        self.image_branch: Any = None
        self.image_projection: Any = None
        if ensemble:
            self.image_branch = region_branch("image", convs, units)
            self.image_projection = dense(dim, "image_projection", dtype="float32")
        self.background: Any = None

    def build(self, shape: Any) -> None:
        """Builds the branches on crops of shape (B, N, S, S, C)."""
        crops = (None, *shape[2:])
        hidden = self.text_branch.compute_output_shape(crops)
        self.text_branch.build(crops)
        self.text_projection.build(hidden)
        self.deltas.build(hidden)
        if self.image_branch is not None:
            self.image_branch.build(crops)
            self.image_projection.build(hidden)
        # "Nothing that was asked for" has a direction too, and it is learned.
        self.background = self.add_weight(
            shape=(self.dim,),
            initializer=initial(keras.initializers.RandomNormal(stddev=0.01)),
            dtype="float32",
            name="background",
        )

    def call(self, crops: Any, training: bool | None = None) -> dict[str, Any]:
        """Embeds regions.

        Args:
            crops: (B, N, S, S, C) features.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            `deltas` (B, N, 4) float32 dy dx dh dw, `text_embeddings` (B, N, dim)
            float32 unit vectors and, in the ensemble, `image_embeddings` alike.
        """
        number = crops.shape[1]
        flat = _flat(crops)
        hidden = self.text_branch(flat, training=training)
        result = {
            "deltas": self.deltas(hidden),
            "text_embeddings": normalise(self.text_projection(hidden)),
        }
        if self.image_branch is not None:
            result["image_embeddings"] = self._imitate(flat, training)
        return {
            name: ops.reshape(value, (-1, number, value.shape[-1]))
            for name, value in result.items()
        }

    def learn(self, sampled: Any, distilled: Any | None) -> tuple[Any, Any, Any]:
        """Embeds regions for training.

        Args:
            sampled: (B, N, S, S, C) crops of regions that learn classes and boxes.
            distilled: (B, R, S, S, C) crops of regions that imitate the teacher;
                None without distillation.

        Returns:
            `deltas` (B, N, 4), `text_embeddings` (B, N, dim) and what imitates the
            teacher, (B, R, dim) or None. With one branch, the regions of both kinds
            share its batch statistics (released behaviour).
        """
        number = sampled.shape[1]
        together = distilled is not None and self.image_branch is None
        crops = ops.concatenate([sampled, distilled], axis=1) if together else sampled
        hidden = self.text_branch(_flat(crops), training=True)
        hidden = ops.reshape(hidden, (-1, crops.shape[1], hidden.shape[-1]))
        embeddings = normalise(self.text_projection(hidden))
        imitated = None
        if together:
            embeddings, imitated = embeddings[:, :number], embeddings[:, number:]
        elif distilled is not None:
            imitated = self._imitate(_flat(distilled), True)
            imitated = ops.reshape(imitated, (-1, distilled.shape[1], self.dim))
        return self.deltas(hidden[:, :number]), embeddings, imitated

    def _imitate(self, flat: Any, training: bool | None) -> Any:
        """The image branch on (M, S, S, C) crops."""
        hidden = self.image_branch(flat, training=training)
        return normalise(self.image_projection(hidden))


def _flat(crops: Any) -> Any:
    """(B, N, S, S, C) crops in one row."""
    return ops.reshape(crops, (-1, *crops.shape[2:]))
