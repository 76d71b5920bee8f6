"""ResNet v1 with bottleneck blocks, as the released detector has it."""

from typing import Any

from vild.backends import keras
from vild.layers import batch_norm, conv

BLOCKS = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}


def _conv_bn(x: Any, filters: int, size: int, stride: int, name: str) -> Any:
    """Convolution without bias, then batch norm.

    A strided convolution pads symmetrically, unlike "same" padding, which on
    even sizes pads only after (released behaviour).
    """
    padding = "same"
    if stride > 1:
        before = (size - 1) // 2
        after = size - 1 - before
        if size > 1:
            x = keras.layers.ZeroPadding2D(
                ((before, after), (before, after)),
                data_format="channels_last",
                name=f"{name}_pad",
            )(x)
        padding = "valid"
    x = conv(
        filters,
        size,
        f"{name}_conv",
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            1.0, "fan_in", "truncated_normal"
        ),
    )(x)
    return batch_norm(f"{name}_bn")(x)


def _bottleneck(x: Any, filters: int, stride: int, project: bool, name: str) -> Any:
    """1x1, 3x3 (which carries the stride), 1x1 to four times the filters."""
    shortcut = x
    if project:
        shortcut = _conv_bn(x, 4 * filters, 1, stride, f"{name}_project")
    x = _conv_bn(x, filters, 1, 1, f"{name}_a")
    x = keras.layers.ReLU(name=f"{name}_a_relu")(x)
    x = _conv_bn(x, filters, 3, stride, f"{name}_b")
    x = keras.layers.ReLU(name=f"{name}_b_relu")(x)
    x = _conv_bn(x, 4 * filters, 1, 1, f"{name}_c")
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def resnet(
    depth: int = 50,
    blocks: tuple[int, ...] | None = None,
    width: int = 64,
) -> Any:
    """Builds a ResNet that yields its four groups.

    Args:
        depth: 50 or 152.
        blocks: bottleneck blocks per group, instead of those of a depth.
        width: filters of the stem and of the first group; each group doubles
            them, and its output has four times as many channels.

    Returns:
        A `keras.Model` from (B, H, W, 3) images to the list of C2..C5 at
        strides 4, 8, 16, 32. H and W are multiples of 32.

    Raises:
        ValueError: if there is no such depth.

    Example:
        >>> [c.shape[-1] for c in resnet(50).outputs]
        [256, 512, 1024, 2048]

    Source: released behaviour.
    """
    if blocks is None:
        if depth not in BLOCKS:
            raise ValueError(
                f"ResNet depth must be one of {sorted(BLOCKS)}, received {depth}: "
                "pass `blocks` for another."
            )
        blocks = BLOCKS[depth]
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    x = _conv_bn(image, width, 7, 2, "stem")
    x = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.MaxPooling2D(
        3, 2, padding="same", data_format="channels_last", name="stem_pool"
    )(x)
    outputs = []
    for group, count in enumerate(blocks):
        for block in range(count):
            x = _bottleneck(
                x,
                width * 2**group,
                stride=2 if group > 0 and block == 0 else 1,
                project=block == 0,
                name=f"group{group + 1}_block{block + 1}",
            )
        outputs.append(x)
    return keras.Model(image, outputs, name="resnet")
