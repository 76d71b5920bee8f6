"""A backbone that looks at an image in several sizes through the same convolutions.

What is twice as large is found one map higher and looks the same there, so that a head
which has learned things of one size, as a network on crops has, knows all of them.
"""

from typing import Any

from vild.backends import keras
from vild.layers import batch_norm, conv

# Outputs and stride of each convolution: the first ones of the teacher of stickers.
LAYERS = ((32, 2), (32, 1), (64, 2), (64, 1))
LEVELS = 4


def image_pyramid(layers: tuple[tuple[int, int], ...] = LAYERS) -> Any:
    """Builds a few convolutions over an image and over its halves.

    Args:
        layers: outputs and stride of each 3 x 3 convolution; the strides make up 4.

    Returns:
        A `keras.Model` from (B, H, W, 3) images to the list of its maps at strides 4,
        8, 16 and 32, which all have as many channels: those of the image, of its half,
        quarter and eighth. H and W are multiples of 32.

    Example:
        >>> [c.shape[-1] for c in image_pyramid().outputs]
        [64, 64, 64, 64]

    Source: ours; no feature pyramid is needed on top of it (`ViLD(pyramid=False)`).
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    steps: list[Any] = []
    for number, (filters, stride) in enumerate(layers):
        # Padded on both sides, whatever the backend would do for an even map.
        pad = keras.layers.ZeroPadding2D(
            1, data_format="channels_last", name=f"conv{number}_pad"
        )
        convolution = conv(
            filters,
            3,
            f"conv{number}",
            strides=stride,
            padding="valid",
            use_bias=False,
            kernel_initializer="he_normal",
        )
        relu = keras.layers.ReLU(name=f"relu{number}")
        steps += [pad, convolution, batch_norm(f"norm{number}"), relu]
    outputs, size = [], image
    for level in range(LEVELS):
        if level:
            size = keras.layers.AveragePooling2D(
                2, data_format="channels_last", name=f"half{level}"
            )(size)
        maps = size
        for step in steps:
            maps = step(maps)
        outputs.append(maps)
    return keras.Model(image, outputs, name="image_pyramid")
