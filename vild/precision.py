"""One model, several precisions."""

from vild.layers import blank_weights
from vild.model import ViLD


def with_dtype(model: ViLD, dtype: str, *, masks: bool = True) -> ViLD:
    """The same model computing in another dtype; weights stay float32.

    Args:
        model: any.
        dtype: `float32`, `bfloat16` or `float16`.
        masks: whether its mask head is taken along, if it has one.

    Returns:
        A new model with copied weights. A backbone of your own is not rebuilt: it
        keeps computing as it was made to, and is shared.
    """
    config = {**model.get_config(), "dtype": policy_name(dtype)}
    if not isinstance(config["backbone"], int):
        config["backbone"] = model.config["backbone"]
    left_out: set[int] = set()
    if not masks and model.mask is not None:
        config["mask_convs"] = None
        left_out = {id(variable) for variable in model.mask.variables}
    with blank_weights():
        other = ViLD.from_config(config)
    there = [v for v in model.variables if id(v) not in left_out]
    for new, old in zip(other.variables, there, strict=True):
        if new is not old:
            new.assign(old)
    return other


def policy_name(dtype: str) -> str:
    """The Keras dtype policy of a setting.

    Args:
        dtype: `float32`, `bfloat16` or `float16`.

    Returns:
        The policy that computes in it and keeps weights in float32.
    """
    return dtype if dtype == "float32" else f"mixed_{dtype}"
