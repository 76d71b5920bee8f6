"""A detector whose weights are set by hand: it finds what is bright.

The first pyramid map holds the brightness of every 4x4 block. Anchors score by
the brightness at their centre, and a pixel belongs to the mask if it is bright.
So where boxes and masks land can be checked without any training.
"""

import numpy as np

import vild
from vild.backends import keras


def bright_detector(**settings):
    image = keras.Input((None, None, 3))
    maps = [
        keras.layers.AveragePooling2D(stride, data_format="channels_last")(image)
        for stride in (4, 8, 16, 32)
    ]
    model = vild.ViLD(
        keras.Model(image, maps),
        ensemble=False,
        dim=2,
        channels=1,
        rpn_convs=1,
        region_convs=0,
        region_units=(1,),
        mask_convs=1,
    )
    for variable in model.variables:
        value = np.zeros(variable.shape, "float32")
        if variable.path.endswith(("gamma", "moving_variance")):
            value += 1
        variable.assign(value)
    set_weight(model, "fpn/lateral_2/kernel", 1 / 3)
    set_weight(model, "fpn/output_2/kernel", 1, centre=True)
    set_weight(model, "rpn/conv_0/kernel", 1, centre=True)
    set_weight(model, "rpn/scores/kernel", 4)
    set_weight(model, "rpn/scores/bias", -4)
    set_weight(model, "region/text_projection/bias", [1, 0])
    set_weight(model, "region/background", [0, 1])
    set_weight(model, "mask/stack/conv_0/kernel", 1, centre=True)
    set_weight(model, "mask/stack/upsample/kernel", 1)
    set_weight(model, "mask/stack/logits/kernel", 10)
    set_weight(model, "mask/stack/logits/bias", -10)
    words = vild.Vocabulary(["bright thing"], [[1.0, 0.0]], base=True)
    return vild.Detector(model, words, **settings)


def set_weight(model, path, value, centre=False):
    variable = next(v for v in model.variables if v.path == path)
    array = np.zeros(variable.shape, "float32")
    if centre:
        array[1, 1] = value
    else:
        array[...] = value
    variable.assign(array)
