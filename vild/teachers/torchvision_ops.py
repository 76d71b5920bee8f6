"""Importing open_clip where torchvision has no compiled part that fits PyTorch.

open_clip takes from torchvision what resizes and normalises photos, all of it
Python. But torchvision describes its compiled suppression to PyTorch as soon as it
is imported, and where that part did not load (its packages are built against CUDA;
beside a CPU build of PyTorch nothing loads) PyTorch refuses to describe what it does
not know, and the import fails. It is enough that PyTorch knows the names: nobody
here calls them.
"""

import importlib
import sys
from typing import Any

from vild.errors import TeacherError

_SYMPTOM = "operator torchvision::nms does not exist"

# What torchvision describes without asking whether its compiled part is there.
_MISSING = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# A declaration lasts as long as the library object that made it.
_declared: list[Any] = []


def import_open_clip() -> Any:
    """The module open_clip.

    Returns:
        The module; where torchvision works, by nothing more than an import.

    Raises:
        TeacherError: if it cannot be imported.

    Example:
        >>> import_open_clip().__name__
        'open_clip'
    """
    try:
        try:
            return importlib.import_module("open_clip")
        except RuntimeError as error:
            if _SYMPTOM not in str(error):
                raise
        _declare_missing()
        _forget_halves()
        return importlib.import_module("open_clip")
    except Exception as error:  # whatever its many dependencies may do
        raise TeacherError(
            f"The package open_clip cannot be imported ({type(error).__name__}: "
            f"{error}): pip install 'vild[open_clip]' brings what it needs."
        ) from error


def _declare_missing() -> None:
    """Tells PyTorch the signatures; there is nothing behind them."""
    import torch

    if not _declared:
        # A fragment, so that whoever owns the namespace may still open it.
        library = torch.library.Library("torchvision", "FRAGMENT")
        for signature in _MISSING:
            library.define(signature)
        _declared.append(library)


def _forget_halves() -> None:
    """Drops the submodules that failed imports left behind without their packages.

    A package imported anew does not find those as its attributes.
    """
    for name in list(sys.modules):
        package = name.partition(".")[0]
        ours = package in ("open_clip", "timm", "torchvision")
        if ours and package not in sys.modules:
            del sys.modules[name]
