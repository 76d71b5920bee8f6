"""Makes a detector for the teacher `colours`, with weights set by hand, and a picture.

    python make_detector.py [FOLDER]

writes `detector/` and `blocks.png`. Nothing is trained: the detector finds blocks of
one colour on anything grey, since that can be said in convolutions.

- The backbone computes for every pixel `there`, 0 for grey and 1 for a colour, and
  `there` times red, green and blue. Sums of these over any area have the direction of
  the colour in it, however much grey is there too: the teacher's own space.
- The region proposals are where `there` is, most of all in the middle of blocks.
- The region head looks along the middle row and the middle column of its 7x7 crop:
  how far the block reaches is its box, the colour in the middle is its vector.
"""

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from vild_teacher_example import Colours

import vild
from vild.backends import keras
from vild.data.preprocessing import MEAN, STD

GREY_WEIGHT = 1.5  # the constant in the teacher's vectors
RED, GREEN, BLUE, THERE = range(4)  # channels of all maps
MIDDLE = 3  # of the 7 rows and columns of a crop
UNITS = 33  # of the region head
BLOCKS = {  # left, top, right, bottom
    "purple": ((30, 30, 90, 80), (150, 40, 190)),
    "red": ((140, 24, 240, 84), (205, 45, 40)),
    "blue": ((300, 40, 355, 140), (35, 105, 200)),
    "yellow": ((50, 150, 180, 230), (240, 205, 60)),
    "green": ((260, 210, 340, 255), (50, 150, 70)),
}


def backbone() -> Any:
    """Pixels -> (red, green, blue, 1) * there, averaged over 4, 8, 16, 32 pixels."""
    layers = keras.layers
    # Older versions of Keras cannot read the default initialiser of newer ones.
    conv = functools.partial(layers.Conv2D, kernel_initializer="zeros")
    image = keras.Input((None, None, 3), name="image")
    colour = conv(4, 1, name="colour")(image)
    steps = conv(3, 1, activation="relu", name="steps")(image)
    there = conv(1, 1, name="there")(steps)
    there = layers.ReLU(max_value=1.0, name="from_0_to_1")(there)
    x = layers.Multiply(name="painted")([colour, there])
    means = [layers.AveragePooling2D(4, name="mean_4")(x)]
    for side in (8, 16, 32):
        means.append(layers.AveragePooling2D(2, name=f"mean_{side}")(means[-1]))
    # The feature pyramid adds the coarser map to each: what it adds is taken off here.
    maps = means[3:]
    for i in (2, 1, 0):
        above = layers.UpSampling2D(2, name=f"above_{i}")(means[i + 1])
        maps.insert(0, layers.Subtract(name=f"rest_{i}")([means[i], above]))
    model = keras.Model(image, maps, name="painted_pixels")

    mean, std = np.array(MEAN), np.array(STD)
    kernel = np.zeros((1, 1, 3, 4))
    kernel[0, 0, range(3), range(3)] = 2 * std
    model.get_layer("colour").set_weights([kernel, np.append(2 * mean - 1, 1)])
    # red - green, green - blue, blue - red: what is above 0 of them adds up to the
    # largest of the three less the smallest.
    cycle = np.eye(3) - np.roll(np.eye(3), 1, axis=0)
    kernel = std[:, None] * cycle
    model.get_layer("steps").set_weights([kernel[None, None], mean @ cycle])
    # Below 0.1 it is grey, above 0.2 a colour.
    model.get_layer("there").set_weights([np.full((1, 1, 3, 1), 10), np.array([-1])])
    return model


def set_weights(model: vild.ViLD) -> None:
    """Sets all weights but those of the backbone."""
    made = {v.path for v in model.backbone.variables}
    variables = [v for v in model.variables if v.path not in made]
    weights = {v.path: np.zeros(v.shape) for v in variables}
    for path, array in weights.items():
        if path.endswith(("gamma", "moving_variance")):
            array += 1
    for level in (2, 3, 4, 5):
        weights[f"fpn/lateral_{level}/kernel"][0, 0] = np.eye(4)
        # Blurred, the ends of a block lie between the 7 samples of a crop.
        weights[f"fpn/output_{level}/kernel"][:] = np.eye(4) / 9
    for i in (0, 1):
        # Blurred more, the middle of a block is the best place.
        weights[f"rpn/conv_{i}/kernel"][:, :, THERE, THERE] = 1 / 9
    weights["rpn/level2_norm_1/gamma"][:] = 0  # blurred, the smallest say little
    weights["rpn/scores/kernel"][0, 0, THERE] = 8
    weights["rpn/scores/bias"] -= 4
    set_region_head(weights)
    # A pixel is in the mask where `there` is above a half.
    weights["mask/stack/conv_0/kernel"][1, 1, THERE, THERE] = 1
    weights["mask/stack/upsample/kernel"][:, :, THERE, THERE] = 1
    weights["mask/stack/logits/kernel"][0, 0, THERE] = 20
    weights["mask/stack/logits/bias"] -= 10
    for variable in variables:
        variable.assign(weights[variable.path])


def set_region_head(weights: dict[str, np.ndarray]) -> None:
    """Sets the region head: a hidden unit is a sum over the crop, or 0 if negative."""
    crop = weights["region/text/dense_0/kernel"].reshape(7, 7, 4, UNITS)
    start = weights["region/text/dense_0/bias"]
    vector = weights["region/text_projection/kernel"]
    shift, size = np.split(weights["region/deltas/kernel"], 2, axis=1)
    new = iter(range(UNITS))

    # The vector is what the middle of the crop shows.
    middle = crop[MIDDLE, MIDDLE]
    for channel in (RED, GREEN, BLUE):
        for sign in (1, -1):
            unit = next(new)
            middle[channel, unit] = vector[unit, channel] = sign
    unit = next(new)
    middle[THERE, unit], vector[unit, THERE] = 1, GREY_WEIGHT

    def fault(beyond: float) -> int:
        """A unit that, above a limit, turns the vector to grey: the background."""
        unit = next(new)
        start[unit], vector[unit, THERE] = -beyond, 4
        return unit

    middle[THERE, fault(-0.7)] = -1  # nothing is in the middle
    ends = fault(0.4)  # the block goes on outside
    crop[[0, 6, MIDDLE, MIDDLE], [MIDDLE, MIDDLE, 0, 6], THERE, ends] = 1

    for axis, lines in enumerate((crop, crop.swapaxes(0, 1))):
        line = lines[:, MIDDLE, THERE]  # a view: 7 cells from top or left, units
        for arm, sign in ((line[2::-1], -1), (line[4:], 1)):
            unit = next(new)  # how many cells the block reaches from the middle
            arm[:, unit] = 1
            shift[unit, axis] = 10 * sign / 2 / 7
            size[unit, axis] = 5 * np.log(2)
            for cell in (0, 1):
                arm[[cell, cell + 1], fault(0.2)] = -1, 1  # another block begins
        for cells in range(1, 6):
            unit = next(new)
            line[[0, 1, 2, 4, 5, 6], unit], start[unit] = 1, -cells
            # The logarithm of 1 + both arms, in straight pieces.
            size[unit, axis] = 5 * np.log(cells * (cells + 2) / (cells + 1) ** 2)
        line[[0, 1, 2, 4, 5, 6], fault(-1)] = -1  # the block is too thin to measure
    # Crops are taken half a cell of the map too far up and left, a 32nd of the box.
    weights["region/deltas/bias"][:] = [10 / 32] * 2 + [-5 * np.log(7)] * 2
    weights["region/background"][THERE] = 1


def detector() -> vild.Detector:
    """The detector; of its own it knows two words, all others are the teacher's."""
    model = vild.ViLD(
        backbone(),
        ensemble=False,
        dim=Colours.dim,
        channels=4,
        last_level=5,
        region_convs=0,
        region_units=(UNITS,),
        mask_convs=1,
    )
    set_weights(model)
    teacher = Colours()
    words = vild.Vocabulary.build(["red", "green"], teacher, cache=False)
    return vild.Detector(
        model,
        words,
        teacher=teacher,
        provenance={"recipe": "weights set by hand in make_detector.py"},
        image_size=256,
        score_threshold=0.5,
    )


def picture() -> Image.Image:
    """Five blocks on a grey ground with a little shade."""
    shade = np.linspace(110, 150, 400).astype("uint8")
    image = Image.fromarray(np.tile(shade, (290, 1))).convert("RGB")
    draw = ImageDraw.Draw(image)
    for (left, top, right, bottom), colour in BLOCKS.values():
        draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)
    return image


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    detector().save(folder / "detector")
    picture().save(folder / "blocks.png")
