"""Whether a store and a teacher belong together."""

from vild.data.stores.store import EmbeddingStore
from vild.errors import DataError
from vild.teachers.fingerprints import Fingerprint, differ, show


def check_teacher(store: EmbeddingStore, teacher: Fingerprint | None) -> None:
    """Refuses a store of another teacher than the one that is wanted.

    Args:
        store: that a detector is to learn from.
        teacher: fingerprint of the one whose words the detector will be asked with;
            None if that is not known, and then any store will do.

    Raises:
        DataError: if the two are known to differ.

    Example:
        >>> store = open_store("stores/clip")  # doctest: +SKIP
        >>> check_teacher(store, vild.teachers.fingerprint(teacher))  # doctest: +SKIP
    """
    if differ(store.teacher, teacher):
        raise DataError(
            f"The store {str(store.path)!r} was made by {show(store.teacher)}, "
            f"expected {show(teacher)}: vectors of two teachers cannot be mixed, so "
            "take the store or the teacher that belongs to the other."
        )
