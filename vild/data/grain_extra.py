"""Grain, which only training needs: imported when it is asked for."""

from typing import Any

from vild.errors import BackendError


def import_grain() -> Any:
    """Google's Grain.

    Returns:
        The module.

    Raises:
        BackendError: if it is not installed.

    Example:
        >>> import_grain().__name__  # doctest: +SKIP
        'grain'
    """
    try:
        import grain
    except ImportError as error:
        raise BackendError(
            "Training reads its batches with Grain, which cannot be imported "
            f"({error}); run: pip install vild[train]"
        ) from error
    return grain


def parse_flags() -> None:
    """Lets Grain start processes in a program that does not use absl's flags."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
