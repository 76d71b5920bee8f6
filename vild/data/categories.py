"""The categories of a dataset."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A class that objects of a dataset are labelled with.

    Attributes:
        id: a number of the dataset's own; ids may have gaps.
        name: unique in the dataset, e.g. `bow_(weapon)`.
        synonyms: all names it goes by, its own among them; empty for its own alone.
        base: whether a detector may be trained on it.
        frequency: of LVIS: `f`, `c` or `r`, seen in more than 100, 11 to 100, or at
            most 10 training images; None elsewhere.
        excluded: whether it is neither base nor novel and so takes no part in
            training or evaluation, as 15 of COCO's 80.

    Example:
        >>> Category(35, "skis", base=False).novel
        True
    """

    id: int
    name: str
    synonyms: tuple[str, ...] = ()
    base: bool = True
    frequency: str | None = None
    excluded: bool = False

    @property
    def novel(self) -> bool:
        """Whether it is held out of training and asked for in evaluation."""
        return not self.base and not self.excluded
