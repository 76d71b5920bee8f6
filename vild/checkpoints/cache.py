"""Where downloads are kept."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Give the folder where downloads are kept.

    Returns:
        The folder that the environment variable `VILD_CACHE` names, else the
        user's cache folder of this system. It need not exist yet.

    Example:
        >>> from vild.checkpoints.cache import cache_dir
        >>> (cache_dir() / "released.tar.gz").name
        'released.tar.gz'
    """
    if chosen := os.environ.get("VILD_CACHE"):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("vild")
