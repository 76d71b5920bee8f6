import importlib.util
from pathlib import Path

import clips
from clips import in_a_new_python

from vild.teachers import torchvision_ops

pytestmark = clips.needs_open_clip

BROKEN = """
import pathlib, sys
import torch
try:
    import torchvision
except RuntimeError as error:
    assert "torchvision::nms" in str(error), error
else:
    raise SystemExit("torchvision is not as broken as this test needs it")
from vild.teachers import torchvision_ops
open_clip = torchvision_ops.import_open_clip()
assert torchvision_ops._declared
import timm, torchvision
assert timm.layers and torchvision.extension and open_clip.factory
from torchvision.transforms import functional
pixels = functional.resize(torch.ones(1, 3, 8, 8), 4)
assert pixels.shape == (1, 3, 4, 4)
assert torchvision_ops.import_open_clip() is open_clip
"""


def test_open_clip_beside_a_torchvision_without_compiled_part(tmp_path):
    """Where torchvision does work, a copy of its folder that lacks the libraries."""
    (real,) = importlib.util.find_spec("torchvision").submodule_search_locations
    (tmp_path / "torchvision").mkdir()
    for path in Path(real).iterdir():
        if path.suffix not in (".so", ".pyd", ".dylib"):
            (tmp_path / "torchvision" / path.name).symlink_to(path)
    in_a_new_python(BROKEN, PYTHONPATH=str(tmp_path))


def test_a_torchvision_that_works_is_left_alone():
    torchvision_ops.import_open_clip()
    import torchvision

    assert bool(torchvision_ops._declared) != torchvision.extension._has_ops()
