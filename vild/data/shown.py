"""Which image is shown when, and how: all that is random about batches."""

import functools
from dataclasses import dataclass

import numpy as np

from vild.data.input_settings import InputSettings
from vild.data.training_input import Draws

# One stream of chance for the order of an epoch, another one for each example.
_ORDER, _EXAMPLE = 0, 1
_SEEDS = 1 << 31


@dataclass(frozen=True)
class Shown:
    """One example as it is shown once.

    Attributes:
        index: of the image in its dataset, from 0.
        draws: flip, scale and crop.
        seed: from 0, below 2**31, for whatever else is random about it.
        pasted: the example that objects are pasted from, with draws of its own; None
            for none.
        image_id: the dataset's own; None where nobody has looked yet.
    """

    index: int
    draws: Draws
    seed: int
    pasted: "Shown | None" = None
    image_id: int | None = None


class Showing:
    """An endless sequence of examples, epoch after epoch.

    Args:
        length: of the dataset.
        settings: how examples are shown.
        seed: of everything; from 0.

    Example:
        >>> showing = Showing(3, InputSettings(), seed=0)
        >>> [showing[place].index for place in range(6)]
        [2, 0, 1, 1, 2, 0]
    """

    def __init__(self, length: int, settings: InputSettings, seed: int) -> None:
        self._length, self._settings, self._seed = length, settings, seed

    def __getitem__(self, place: int) -> Shown:
        epoch, row = divmod(place, self._length)
        index = int(_order(self._seed, epoch, self._length)[row])
        rng = np.random.default_rng([self._seed, _EXAMPLE, place])
        draws, seed = self._draws(rng), int(rng.integers(_SEEDS))
        if rng.random() >= self._settings.copy_paste:
            return Shown(index, draws, seed)
        other = int(rng.integers(self._length))
        pasted = Shown(other, self._draws(rng), int(rng.integers(_SEEDS)))
        return Shown(index, draws, seed, pasted)

    def _draws(self, rng: np.random.Generator) -> Draws:
        draws = Draws.random(rng, *self._settings.scale)
        if self._settings.flip:
            return draws
        return Draws(False, draws.scale, draws.offset)


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, length: int) -> np.ndarray:
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(length)
