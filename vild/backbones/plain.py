"""A plain stack of convolutions as a backbone: for small pictures and little time.

The network is that of the teacher of stickers. Its first convolutions look at every
second pixel, where those of a ResNet look at every fourth, so it learns sooner to tell
small things apart.
"""

from typing import Any

from vild.backends import keras
from vild.layers import batch_norm, conv

# Outputs of the convolutions of each group; the first one of a group halves the map.
GROUPS = ((32, 32), (64, 64), (128, 128, 128), (256, 256))


def plain(groups: tuple[tuple[int, ...], ...] = GROUPS) -> Any:
    """Builds a stack of 3 x 3 convolutions that yields four maps.

    Args:
        groups: outputs of the convolutions of each group; four groups.

    Returns:
        A `keras.Model` from (B, H, W, 3) images to the list of its maps at strides 4,
        8, 16 and 32, the last of them pooled from the one before. H and W are
        multiples of 32.

    Example:
        >>> [c.shape[-1] for c in plain().outputs]
        [64, 128, 256, 256]

    Source: ours.
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    maps, outputs, number = image, [], 0
    for group in groups:
        for place, filters in enumerate(group):
            stride = 1 if place else 2
            # Padded evenly, so that a mirrored image gives a mirrored map.
            maps = keras.layers.ZeroPadding2D(
                1, data_format="channels_last", name=f"conv{number}_pad"
            )(maps)
            maps = conv(
                filters,
                3,
                f"conv{number}",
                strides=stride,
                padding="valid",
                use_bias=False,
                kernel_initializer="he_normal",
            )(maps)
            maps = batch_norm(f"norm{number}")(maps)
            maps = keras.layers.ReLU(name=f"relu{number}")(maps)
            number += 1
        outputs.append(maps)
    pooled = keras.layers.MaxPooling2D(2, data_format="channels_last", name="pool")
    return keras.Model(image, [*outputs[1:], pooled(maps)], name="plain")
