import re

import numpy as np
import pytest

from vild.backbones.resnet import resnet
from vild.checkpoints.backbone_weights import read_backbone, torchvision_name
from vild.errors import CheckpointError


def shapes_of(model):
    return {v.path: tuple(v.shape) for v in model.variables}


@pytest.fixture(scope="module")
def shapes():
    return shapes_of(resnet(blocks=(2, 1, 1, 1), width=4))


@pytest.fixture
def values(shapes):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=s).astype("float32") for name, s in shapes.items()}


def as_torchvision(values):
    """The layout of published ResNets, written down apart from the reader."""
    found = {"fc.weight": np.zeros((10, 4), "float32")}
    ends = {
        "kernel": "weight",
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    for path, value in values.items():
        layer, leaf = path.split("/")
        if value.ndim == 4:
            value = np.moveaxis(value, [3, 2], [0, 1])
        if layer.startswith("stem"):
            place = "conv1" if layer.endswith("conv") else "bn1"
        else:
            group, block, part, kind = re.fullmatch(
                r"group(\d)_block(\d)_(\w+)_(conv|bn)", layer
            ).groups()
            inner = {"a": "1", "b": "2", "c": "3"}.get(part)
            end = f"{kind}{inner}" if inner else f"downsample.{int(kind == 'bn')}"
            place = f"layer{group}.{int(block) - 1}.{end}"
        found[f"{place}.{ends[leaf]}"] = np.ascontiguousarray(value)
    return found


def test_weights_come_under_torchvisions_names(tmp_path, shapes, values):
    np.savez(tmp_path / "resnet.npz", **as_torchvision(values))
    found = read_backbone(tmp_path / "resnet.npz", shapes)
    assert found.keys() == values.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(found[name], value)


def test_weights_come_from_safetensors(tmp_path, shapes, values):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(as_torchvision(values), tmp_path / "resnet.safetensors")
    found = read_backbone(tmp_path / "resnet.safetensors", shapes)
    np.testing.assert_array_equal(found["stem_conv/kernel"], values["stem_conv/kernel"])


def test_weights_come_under_our_names(tmp_path, shapes, values):
    np.savez(tmp_path / "resnet.npz", **values)
    found = read_backbone(tmp_path / "resnet.npz", shapes)
    np.testing.assert_array_equal(found["stem_bn/gamma"], values["stem_bn/gamma"])


def test_weights_come_under_released_names(tmp_path):
    shapes = shapes_of(resnet(50, width=2))
    rng = np.random.default_rng(0)
    convs = rng.normal(size=shapes["group1_block1_project_conv/kernel"])
    released = {}
    for name, shape in shapes.items():
        released[name] = np.zeros(shape, "float32")
    # The first block's projection is the second convolution that is made.
    del released["group1_block1_project_conv/kernel"]
    released["resnet50/conv2d_1/kernel:0"] = convs.astype("float32")
    np.savez(tmp_path / "resnet.npz", **released)
    found = read_backbone(tmp_path / "resnet.npz", shapes)
    np.testing.assert_array_equal(
        found["group1_block1_project_conv/kernel"], convs.astype("float32")
    )


def test_a_file_of_another_backbone_is_told(tmp_path, shapes, values):
    values.pop("stem_conv/kernel")
    np.savez(tmp_path / "resnet.npz", **values)
    with pytest.raises(CheckpointError, match=r"lacks 1 .* stem_conv/kernel"):
        read_backbone(tmp_path / "resnet.npz", shapes)
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_backbone(tmp_path / "bad.npz", shapes)
    assert torchvision_name("fpn/lateral_2/kernel") == ""
