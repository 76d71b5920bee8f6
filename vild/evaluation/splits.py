"""Which categories are base and which are novel, where a protocol needs to know."""

from collections.abc import Sequence
from dataclasses import replace

from vild.data.categories import Category
from vild.data.coco_split import BASE, EXCLUDED, NOVEL
from vild.errors import DataError
from vild.evaluation.protocols import Protocol


def split(
    name: str, categories: Sequence[Category], protocol: Protocol
) -> Sequence[Category]:
    """Tells base and novel categories apart.

    Args:
        name: of the dataset.
        categories: of the dataset.
        protocol: how it is judged.

    Returns:
        The categories in their order. Where the protocol needs base and novel ones, the
        dataset knows none, and their names are some of COCO's 80: as COCO's are split.

    Raises:
        DataError: if the protocol needs novel categories and there are none.

    Example:
        >>> from vild.evaluation.protocols import PROTOCOLS
        >>> dogs = [Category(1, "dog"), Category(2, "person")]
        >>> [c.novel for c in split("mine", dogs, PROTOCOLS["coco-ovd"])]
        [True, False]
    """
    if not protocol.open_vocabulary or any(category.novel for category in categories):
        return categories
    names = {category.name for category in categories}
    if names & NOVEL and names <= BASE | NOVEL | EXCLUDED:
        return [
            replace(c, base=c.name in BASE, excluded=c.name in EXCLUDED)
            for c in categories
        ]
    raise DataError(
        f"None of the categories of {name!r} is novel, which the protocol "
        f"{protocol.name!r} needs: name the base categories, or take 'coco'."
    )
