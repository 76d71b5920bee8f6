"""How examples are shown to a model that learns."""

from collections.abc import Sequence
from dataclasses import dataclass

from vild.data.preprocessing import MEAN, STD, Size, canonical_size, padded_size
from vild.errors import InputError


@dataclass(frozen=True)
class InputSettings:
    """What happens to an example on its way into a batch.

    Attributes:
        image_size: desired (height, width) of the model input in pixels, or one side
            for a square; batches are padded at the bottom and right to `multiple`.
        flip: left for right, with probability 0.5.
        scale: smallest and largest scale of a photo relative to one that just fits
            the desired size (large-scale jitter); drawn uniformly. (1, 1) shows
            every photo whole.
        max_objects: G, objects of an image; what is more is left out, from the end.
        masks: whether batches have masks. Without them datasets of boxes will do.
        max_rois: R, regions for distillation; what is more is left out, from the end.
        distill: whether batches have regions and a teacher's embeddings of them;
            then every example must.
        copy_paste: probability that objects of another example are pasted into an
            example, see `vild.data.copy_paste`. It needs masks in the dataset.
        classes: K, of all classes, if batches shall tell which of them are annotated
            in each image, see `Example.annotated_ids`; None: they do not.
        multiple: stride of the coarsest pyramid level in pixels.
        mean: of the red, green and blue channel, in [0, 1].
        std: standard deviation of the three channels, in [0, 1].

    Raises:
        InputError: says which setting cannot be used.

    Example:
        >>> InputSettings(image_size=(200, 300)).padded
        (256, 320)

    Source: released configuration. Its code flips an example twice when it distils,
    the second time without the regions, so that a quarter of its examples is seen
    with regions that are mirrored; here everything is flipped together, once.
    """

    image_size: int | tuple[int, int] = 1024
    flip: bool = True
    scale: tuple[float, float] = (0.1, 2.0)
    max_objects: int = 300
    masks: bool = True
    max_rois: int = 300
    distill: bool = False
    copy_paste: float = 0.0
    classes: int | None = None
    multiple: int = 64
    mean: Sequence[float] = MEAN
    std: Sequence[float] = STD

    def __post_init__(self) -> None:
        _ = self.padded
        low, high = self.scale
        if not 0 < low <= high <= 100:
            raise InputError(
                "scale must be (smallest, largest) with 0 < smallest <= largest <= "
                f"100, as in (0.1, 2.0); received {self.scale!r}."
            )
        for name in ("max_objects", "max_rois"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"{name} must be 1 or more, received {getattr(self, name)!r}."
                )
        if not 0 <= self.copy_paste <= 1:
            raise InputError(
                "copy_paste is a probability from 0 to 1, received "
                f"{self.copy_paste!r}."
            )
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise InputError(
                "mean and std must be three numbers each, those of std above 0; "
                f"received {self.mean!r} and {self.std!r}."
            )

    @property
    def size(self) -> Size:
        """Desired (height, width) in pixels."""
        return canonical_size(self.image_size)

    @property
    def padded(self) -> Size:
        """(height, width) of the images in batches, in pixels."""
        return padded_size(self.size, self.multiple)
