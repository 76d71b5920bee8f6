"""Names of variables in the released TF1 checkpoints, and their quirks."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vild.checkpoints.tensor_bundle import TensorBundle
from vild.errors import CheckpointError

_HEAD = "frcnn_layer_0/fast_rcnn_head"
TEXT_MATRIX = f"{_HEAD}/class-predict/kernel"
BACKGROUND = f"{_HEAD}/background-class-predict/kernel"
_IMAGE_BRANCH = f"{_HEAD}/distill-project-to-clip/kernel"

# The two R152 checkpoints carry this in the middle of some names.
STRAY = "_sim_clr"

_RULES = [
    (r"fpn/lateral_(\d)/(\w+)", r"fpn/l\1/\2"),
    (r"fpn/output_6/(\w+)", r"fpn/p6/\1"),
    (r"fpn/output_(\d)/(\w+)", r"fpn/post_hoc_d\1/\2"),
    (r"fpn/norm_(\d)/(\w+)", r"fpn/p\1-bn/\2"),
    (r"rpn/conv_0/(\w+)", r"rpn_head/rpn/\1"),
    (r"rpn/conv_(\d)/(\w+)", r"rpn_head/rpn-\1/\2"),
    (r"rpn/scores/(\w+)", r"rpn_head/rpn-class/\1"),
    (r"rpn/deltas/(\w+)", r"rpn_head/rpn-box/\1"),
    (r"rpn/level(\d)_norm_0/(\w+)", r"rpn_head/rpn-l\1-bn/\2"),
    (r"rpn/level(\d)_norm_(\d)/(\w+)", r"rpn_head/rpn-l\1-bn-\2/\3"),
    (r"region/background", BACKGROUND),
    (r"region/deltas/(\w+)", rf"{_HEAD}/box-predict/\1"),
    (r"region/text_projection/(\w+)", rf"{_HEAD}/project-to-clip/\1"),
    (r"region/image_projection/(\w+)", rf"{_HEAD}/distill-project-to-clip/\1"),
    (r"region/text/conv_(\d)/(\w+)", rf"{_HEAD}/conv_\1/\2"),
    (r"region/image/conv_(\d)/(\w+)", rf"{_HEAD}/distill_conv_\1/\2"),
    (r"mask/stack/conv_(\d)/(\w+)", r"mask_head/mask-conv-l\1/\2"),
    (r"mask/stack/upsample/(\w+)", r"mask_head/conv5-mask/\1"),
    (r"mask/stack/logits/(\w+)", r"mask_head/mask_fcn_logits/\1"),
]


def _numbered(kind: str, index: int) -> str:
    """TF1's name of the n-th unnamed layer of a kind."""
    return kind if index == 0 else f"{kind}_{index}"


def released_name(path: str, resnet_layers: Mapping[str, int], depth: int) -> str:
    """The released name of one of our variables.

    Args:
        path: the variable's path in `ViLD`, e.g. `fpn/lateral_2/kernel`.
        resnet_layers: position of each ResNet convolution in creation order.
        depth: 50 or 152.

    Returns:
        The name in the checkpoint, without `:0`.

    Raises:
        CheckpointError: if the release has no such variable.

    Example:
        >>> released_name("fpn/lateral_2/kernel", {}, 50)
        'fpn/l2/kernel'
    """
    layer, _, leaf = path.rpartition("/")
    stem, _, kind = layer.rpartition("_")
    if stem in resnet_layers and kind in ("conv", "bn"):
        unnamed = {"conv": "conv2d", "bn": "batch_normalization"}[kind]
        return f"resnet{depth}/{_numbered(unnamed, resnet_layers[stem])}/{leaf}"
    # Batch norms of the heads are unnamed too: numbered through both branches.
    match = re.fullmatch(r"region/(text|image)/(conv|dense)_(\d)_norm/(\w+)", path)
    if match:
        index = int(match[3]) + (4 if match[2] == "dense" else 0)
        index += 6 if match[1] == "image" else 0
        return f"{_HEAD}/{_numbered('batch_normalization', index)}/{match[4]}"
    match = re.fullmatch(r"region/(text|image)/dense_(\d)/(\w+)", path)
    if match:
        prefix = "distill_" if match[1] == "image" else ""
        return f"{_HEAD}/{prefix}fc{int(match[2]) + 6}/{match[3]}"
    match = re.fullmatch(r"mask/stack/(conv_(\d)|upsample)_norm/(\w+)", path)
    if match:
        index = 4 if match[2] is None else int(match[2])
        return f"mask_head/{_numbered('batch_normalization', index)}/{match[3]}"
    for pattern, replacement in _RULES:
        if re.fullmatch(pattern, path):
            return re.sub(pattern, replacement, path)
    raise CheckpointError(f"The released detectors have no variable like {path!r}.")


def _made(layer: str) -> tuple[int, int, int]:
    """When a ResNet convolution is made: within a block, the projection first."""
    match = re.fullmatch(r"group(\d+)_block(\d+)_(project|a|b|c)", layer)
    if match is None:
        return (0, 0, 0)  # the stem
    step = ("project", "a", "b", "c").index(match[3])
    return int(match[1]), int(match[2]), step


def released_names(paths: Iterable[str], depth: int) -> dict[str, str]:
    """The released names of a model's variables.

    Args:
        paths: variable paths of a `ViLD` of released size.
        depth: 50 or 152.

    Returns:
        Our path -> released name, without the text matrix, which is a
        vocabulary and no variable here.

    Source: released behaviour (TF1 numbers unnamed layers as they are made).
    """
    paths = list(paths)
    suffix = "_conv/kernel"
    layers = [path.removesuffix(suffix) for path in paths if path.endswith(suffix)]
    positions = {name: i for i, name in enumerate(sorted(layers, key=_made))}
    return {path: released_name(path, positions, depth) for path in paths}


def read_released(path: Any, *, ensemble: bool, depth: int) -> dict[str, np.ndarray]:
    """Reads the inference variables of a released checkpoint.

    Optimiser slots and the step counter are left out, stray name parts mended.

    Args:
        path: prefix, `.index` file or folder of the checkpoint.
        ensemble: the flavour that the variables are for.
        depth: of the ResNet, 50 or 152.

    Returns:
        Released name -> float32 array.

    Raises:
        CheckpointError: if the checkpoint is damaged, of the other flavour or
            of another depth.

    Example:
        >>> arrays = read_released("model.ckpt-180000", ensemble=True, depth=50)
        >>> arrays["fpn/l2/kernel"].shape
        (1, 1, 256, 256)
    """
    bundle = TensorBundle(path)
    wanted: dict[str, str] = {}
    for raw in bundle.variables:
        name = raw.replace(STRAY, "")
        if name.endswith("/Momentum") or name == "global_step":
            continue
        if name in wanted:
            raise CheckpointError(
                f"{path} holds both {wanted[name]!r} and {raw!r}, which mean the "
                "same variable: this is not a released checkpoint."
            )
        wanted[name] = raw
    _check_kind(path, wanted, ensemble, depth)
    return {name: bundle.read(raw) for name, raw in wanted.items()}


def _check_kind(path: Any, names: Iterable[str], ensemble: bool, depth: int) -> None:
    names = set(names)
    found = next((d for d in (50, 152) if f"resnet{d}/conv2d/kernel" in names), None)
    has_image_branch = _IMAGE_BRANCH in names
    if TEXT_MATRIX not in names or found is None:
        missing = TEXT_MATRIX if found is not None else "resnet50/conv2d/kernel"
        raise CheckpointError(
            f"{path} is not a released ViLD checkpoint: it has no {missing!r}."
        )
    if found != depth or has_image_branch != ensemble:
        preset = f"r{found}" + ("-ensemble" if has_image_branch else "")
        expected = f"r{depth}" + ("-ensemble" if ensemble else "")
        raise CheckpointError(
            f"{path} holds the weights of {preset!r}, not of {expected!r}: "
            f"load it with load_pretrained({preset!r}, checkpoint=...)."
        )


def match_variables(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    source: Any,
) -> dict[str, np.ndarray]:
    """Pairs a checkpoint's arrays with the variables of a model, one to one.

    Args:
        arrays: released name -> array, without the text matrix.
        shapes: released name -> shape that the model expects.
        source: where the arrays come from, for messages.

    Returns:
        Released name -> array of exactly the expected shape.

    Raises:
        CheckpointError: naming the first variable that is missing, left over
            or of another shape.

    Example:
        >>> match_variables({"a": np.ones(3)}, {"a": (3,)}, "x")["a"].shape
        (3,)
    """
    for name in shapes:
        if name not in arrays:
            raise CheckpointError(f"{source} lacks the variable {name!r}.")
    for name in arrays:
        if name not in shapes:
            raise CheckpointError(
                f"{source} holds the variable {name!r}, which this model has no "
                "place for."
            )
    result = {}
    for name, shape in shapes.items():
        array = arrays[name]
        if name == BACKGROUND and array.shape == (*shape, 1):
            array = array[:, 0]
        if array.shape != tuple(shape):
            raise CheckpointError(
                f"{source}: the variable {name!r} has shape {array.shape}, "
                f"expected {tuple(shape)}."
            )
        result[name] = array.astype("float32", copy=False)
    return result
