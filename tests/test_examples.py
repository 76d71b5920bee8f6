"""The examples of the docstrings run, where they need no model and no photo."""

import doctest
import importlib

import numpy as np
import pytest

import vild

MODULES = [
    "checkpoints.archive",
    "checkpoints.cache",
    "checkpoints.checksum",
    "checkpoints.protobuf",
    "data.images",
    "data.lvis",
    "data.masks",
    "data.preprocessing",
    "data.rle",
    "drawing",
    "files",
    "names",
    "ops.anchors",
    "presets",
    "results",
    "settings",
    "vocabulary",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"vild.{name}")
    failed, tried = doctest.testmod(
        module,
        extraglobs={"np": np, "vild": vild},
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert tried > 0, f"vild.{name} has no examples"
    assert failed == 0
