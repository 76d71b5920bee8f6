"""What open_clip offers, read from its folder: importing it would import PyTorch."""

import __future__

import ast
import copy
import difflib
import functools
import importlib.util
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vild.errors import TeacherError
from vild.teachers.torchvision_ops import import_open_clip

QUICK = "-quickgelu"
"""What open_clip appends to the name of a model to mean the other activation."""


def config(model: str) -> dict[str, Any]:
    """The architecture of a model.

    Args:
        model: a name of `open_clip.list_models()`, or of a model that was added
            to an open_clip already imported.

    Returns:
        Its `embed_dim`, `vision_cfg`, `text_cfg` and so on; yours to change.

    Raises:
        TeacherError: if open_clip is not installed or has no such model.

    Example:
        >>> config("ViT-B-32")["embed_dim"]
        512
    """
    folder = _folder() / "model_configs"
    known = {path.stem: path for path in folder.glob("*.json")}
    if model in known:
        return json.loads(known[model].read_text("utf-8"))
    added = sys.modules.get("open_clip")
    found = added.get_model_config(model) if added and ":" not in model else None
    if found is not None:
        return found
    advice = "see open_clip.list_models()"
    if ":" in model:
        advice = "for weights of a hub give the name of the model and a local file"
    raise TeacherError(
        f"open_clip has no model {model!r}: {_near(model, known) or advice}."
    )


def without_activation(model: str) -> str:
    """The name of a model less the mark of its activation.

    Args:
        model: a name.

    Returns:
        The name under which both activations go.

    Raises:
        TeacherError: if open_clip has no such model.

    Example:
        >>> without_activation("ViT-B-32-quickgelu")
        'ViT-B-32'
    """
    if model.endswith(QUICK):
        try:
            config(model.removesuffix(QUICK))
        except TeacherError:
            config(model)  # added by somebody under this name alone
            return model
        return model.removesuffix(QUICK)
    config(model)
    return model


def tags(model: str) -> dict[str, dict[str, Any]]:
    """The pretrained weights that open_clip knows of a model.

    Args:
        model: its name.

    Returns:
        Tag -> `mean`, `std`, `resize_mode`, where to download it, and `quick_gelu`
        if that is its activation.

    Example:
        >>> tags("ViT-B-32")["openai"]["quick_gelu"]
        True
    """
    table = _pretrained()
    return {
        tag: table.get_pretrained_cfg(model, tag)
        for tag in table.list_pretrained_tags_by_model(model)
    }


def tag(model: str, written: str) -> str:
    """A tag as open_clip's table spells it.

    Args:
        model: the model's name.
        written: the tag as somebody wrote it; case and hyphens do not matter.

    Returns:
        The tag.

    Raises:
        TeacherError: if it is none of that model.

    Example:
        >>> tag("ViT-B-32", "LAION2B-s34b-b79k")
        'laion2b_s34b_b79k'
    """
    known = tags(model)
    clean = written.lower().replace("-", "_")
    if clean in known:
        return clean
    advice = "it has none, give a local file of weights"
    if known:
        some = ", ".join(list(known)[:3])
        advice = f"among its {len(known)} tags are {some}; a file would do too"
    raise TeacherError(
        f"open_clip's {model} has no pretrained weights {written!r}: "
        f"{_near(clean, known) or advice}."
    )


def _near(name: str, known: Any) -> str:
    """Names what may have been meant; empty if nothing comes near."""
    near = [repr(each) for each in difflib.get_close_matches(name, known)]
    if not near:
        return ""
    *others, last = near
    return (
        f"perhaps you mean {', '.join(others)} or {last}"
        if others
        else (f"perhaps you mean {last}")
    )


def _folder() -> Path:
    try:
        spec = importlib.util.find_spec("open_clip")
    except ValueError:  # somebody put a module without a spec there
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise TeacherError(
            "This teacher needs the package open_clip, which is not installed: pip "
            "install 'vild[open_clip]'."
        )
    return Path(next(iter(spec.submodule_search_locations)))


@functools.cache
def _pretrained() -> Any:
    """open_clip/pretrained.py, whose functions read its table of weights.

    The table is made by code, and nothing of that needs PyTorch; only the downloads
    do. So the module is run without its imports, among which are PyTorch and all of
    open_clip. Should a release need more than this, open_clip is imported after all.
    """
    folder = _folder()
    try:
        tree = ast.parse((folder / "pretrained.py").read_text("utf-8"))
        skipped = ast.Import | ast.ImportFrom | ast.Try
        tree.body = [node for node in tree.body if not isinstance(node, skipped)]
        names = {**runpy.run_path(str(folder / "constants.py")), "copy": copy}
        # Annotations name what was not imported; they are not to be evaluated.
        flag = __future__.annotations.compiler_flag
        exec(compile(tree, "open_clip/pretrained.py", "exec", flag, True), names)
        table = SimpleNamespace(**names)
        table.get_pretrained_cfg("", ""), table.list_pretrained_tags_by_model("")
    except Exception:  # whatever a future release may do
        return import_open_clip()
    return table
