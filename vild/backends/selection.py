"""Which framework Keras runs on: chosen once, before Keras is first imported."""

import importlib.util
import json
import os
import sys
import warnings
from pathlib import Path

from vild.errors import BackendError

# Keras's own default first, so that an environment with everything installed
# behaves with vild as it does without.
BACKENDS = ("tensorflow", "jax", "torch")


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _configured() -> str | None:
    """Returns the backend that Keras's configuration file names, if any."""
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path.home() / ".keras"
    try:
        text = (folder / "keras.json").read_text(encoding="utf-8")
        return json.loads(text).get("backend")
    except (OSError, ValueError, AttributeError):
        return None


def select_backend() -> str:
    """Chooses the backend Keras will load and returns its name.

    `KERAS_BACKEND` decides where it is set, then Keras's configuration file,
    then whatever is installed. Keras writes that file on its own with its
    default inside, so a file that names a missing framework is not taken for
    somebody's wish.

    Returns:
        `"tensorflow"`, `"jax"` or `"torch"`. `KERAS_BACKEND` is set to it.

    Raises:
        BackendError: if the wanted backend, or every backend, is missing, or
            Keras is already running on one that vild has no kernels for.

    Example:
        >>> from vild.backends.selection import select_backend
        >>> select_backend() in ("tensorflow", "jax", "torch")
        True
    """
    if "keras" in sys.modules:
        wanted = sys.modules["keras"].config.backend()
    else:
        wanted = os.environ.get("KERAS_BACKEND")
    if wanted:
        if wanted not in BACKENDS:
            raise BackendError(
                f"vild runs on {', '.join(BACKENDS)}, but KERAS_BACKEND is "
                f"{wanted!r}: set it to one of them."
            )
        if not _installed(wanted):
            raise BackendError(
                f"KERAS_BACKEND is {wanted!r}, which is not installed: run "
                f"`pip install vild[{wanted}]` or choose another backend."
            )
        return wanted
    installed = [name for name in BACKENDS if _installed(name)]
    if not installed:
        raise BackendError(
            "A model needs a framework to run on and none is installed: run "
            "`pip install vild[jax]`, `vild[torch]` or `vild[tensorflow]`."
        )
    configured = _configured()
    if configured in installed:
        choice = configured
    else:
        choice = installed[0]
        if configured in BACKENDS and configured != "tensorflow":
            warnings.warn(
                f"Keras is configured for {configured}, which is not installed; "
                f"vild uses {choice}.",
                stacklevel=2,
            )
    os.environ["KERAS_BACKEND"] = choice
    return choice
