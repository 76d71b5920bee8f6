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
    "data.batches",
    "data.box_masks",
    "data.drawn",
    "data.drawn_background",
    "data.drawn_dataset",
    "data.drawn_paint",
    "data.drawn_shapes",
    "data.images",
    "data.input_settings",
    "data.joined",
    "data.labelled",
    "data.lvis",
    "data.masks",
    "data.narrowed",
    "data.objects365",
    "data.packing",
    "data.picked",
    "data.preprocessing",
    "data.resizing",
    "data.reused",
    "data.rle",
    "data.shown",
    "data.squares",
    "data.stacking",
    "data.stickers.backdrop",
    "data.stickers.catalogue",
    "data.stickers.credits",
    "data.stickers.scene",
    "data.stickers.splits",
    "data.stickers.styles",
    "data.training_input",
    "distillation.calibration",
    "distillation.plan",
    "drawing",
    "embedding_cache",
    "evaluation.bootstrap",
    "evaluation.detecting",
    "evaluation.entries",
    "evaluation.predictions",
    "evaluation.protocols",
    "evaluation.report.charts",
    "evaluation.scored",
    "evaluation.tables",
    "evaluation.truth",
    "evaluation.truth_files",
    "files",
    "name_index",
    "names",
    "ops.anchors",
    "presets",
    "prompts",
    "results",
    "finetuning.keeping",
    "finetuning.measuring",
    "finetuning.replaying",
    "recipes.stages",
    "runs.looking",
    "settings",
    "teachers.arguments",
    "teachers.checks",
    "teachers.finding",
    "teachers.fingerprints",
    "teachers.packed",
    "teachers.precomputed",
    "teachers.protocol",
    "teachers.shapes",
    "teachers.shapes_features",
    "teachers.stickers",
    "teachers.sticker_network",
    "teachers.word_table",
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
