"""Images that fail: what is recorded of them, and when it is too many."""

import re
import warnings
from collections.abc import Mapping

from vild.data.stores.shard import Entry
from vild.data.stores.store import Store
from vild.errors import DataError

# If so many images of a shard fail, and none goes well, all will.
_ENOUGH = 8


def said(error: BaseException) -> str:
    """An error as a store records it: in one line, the same on every machine.

    Args:
        error: any.

    Returns:
        Its message; with the kind of error if it is not one of vild.

    Example:
        >>> said(ValueError("of <Photo at 0x7f2ab8544b80>"))
        'ValueError: of <Photo at 0x0>'
    """
    # Other people's messages may hold addresses in memory.
    text = re.sub(r"\b0x[0-9a-fA-F]+", "0x0", " ".join(str(error).split()))
    own = type(error).__module__ == "vild.errors"
    return text if own else f"{type(error).__name__}: {text}"


def check_some_went_well(index: int, entries: Mapping[int, Entry]) -> None:
    """Tells a shard in which everything fails from one with a few bad images.

    Args:
        index: of the shard.
        entries: image id -> what there is.

    Raises:
        DataError: if many images failed, and no other has any boxes.
    """
    failed = [e.failure for e in entries.values() if e.failure is not None]
    if len(failed) >= _ENOUGH and not any(len(e.boxes) for e in entries.values()):
        raise DataError(
            f"All {len(failed)} images of shard {index} fail, so more is wrong than "
            f"one of them; the first: {failed[0]}"
        )


def warn_of_failures(store: Store) -> None:
    """Counts the images that failed, in one warning.

    Args:
        store: that was just made.
    """
    if store.failures:
        first = next(image_id for image_id in store if image_id in store.failures)
        warnings.warn(
            f"{len(store.failures)} of {len(store)} images failed and are recorded as "
            f"such, the first of them image {first}: {store.failures[first]} The same "
            "command tries them again.",
            stacklevel=3,
        )
