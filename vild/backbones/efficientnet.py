"""EfficientNets of `keras.applications` as backbones: the paper's larger rows.

An example of how any Keras network becomes a backbone: it takes preprocessed images
and gives its maps at strides 4, 8, 16 and 32. A recipe names it by
`model.backbone=vild.backbones.efficientnet:efficientnet_b7`.
"""

from typing import Any

import numpy as np

from vild.backends import keras
from vild.data.preprocessing import MEAN, STD

# The last blocks at strides 4, 8, 16 and 32.
_BLOCKS = ("block2", "block3", "block5", "block7")


def efficientnet(variant: str = "B0") -> Any:
    """An EfficientNet that yields four maps.

    Args:
        variant: `"B0"` to `"B7"`.

    Returns:
        A `keras.Model` from (B, H, W, 3) float32 images, preprocessed as everywhere in
        vild, to the list of its maps at strides 4, 8, 16, 32; with weights from
        chance. `load_published(path)` takes a file of the weights that
        `keras.applications` has for the network without its top.

    Example:
        >>> len(efficientnet("B0").outputs)
        4

    Source: paper section 4.4 (EfficientNet-b7 as the backbone).
    """
    make = getattr(keras.applications, f"EfficientNet{variant}")
    network = make(include_top=False, weights=None, input_shape=(None, None, 3))
    names = [layer.name for layer in network.layers]
    last = [[n for n in names if n.startswith(block)][-1] for block in _BLOCKS]
    maps = keras.Model(
        network.inputs, [network.get_layer(name).output for name in last], name="maps"
    )
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    # These networks begin with a scaling of their own, of pixels from 0 to 255.
    pixels = keras.layers.Rescaling(
        (255 * np.array(STD)).tolist(), (255 * np.array(MEAN)).tolist(), dtype="float32"
    )(image)
    backbone = keras.Model(image, maps(pixels), name=f"efficientnet_{variant.lower()}")
    # The whole network, which published files are of, has the same layers.
    backbone.load_published = network.load_weights
    return backbone


def efficientnet_b0() -> Any:
    """The smallest one; see `efficientnet`.

    Returns:
        The backbone.
    """
    return efficientnet("B0")


def efficientnet_b7() -> Any:
    """The paper's; see `efficientnet`.

    Returns:
        The backbone.
    """
    return efficientnet("B7")
