"""The dry run: what would be done, and what is there."""

import pytest
from few import CHANGES, few_distill, few_steps

from vild.cli import main
from vild.data.drawn_dataset import DrawnObjects
from vild.distillation import make_plan

pytestmark = pytest.mark.once
CUT = [argument for change in CHANGES for argument in ("--set", change)]


def test_a_dry_run_tells_all_steps_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["distill", "tiny-ensemble", "drawn:train:8", "--teacher", "shapes"]
    assert main([*command, "--out", "runs/a", "--dry-run", *CUT]) == 0
    said = capsys.readouterr().out
    for words in ("first stage", "1 steps of 2", "96 crops", "4 steps of 2", " free."):
        assert words in said
    assert not list(tmp_path.iterdir())


def test_what_is_there_costs_nothing(tmp_path):
    few_distill(tmp_path)
    about = {"teacher": "shapes", "out": tmp_path}
    stage = few_steps(name="tiny-rpn")
    scenes = DrawnObjects("train:8")
    plan = make_plan(scenes, recipe=few_steps(), first_stage=stage, **about)
    assert [step.done for step in plan.steps] == [1, 1, 1, 1]
    assert plan.seconds == plan.size == 0
    longer = few_steps("steps=16")
    plan = make_plan(scenes, recipe=longer, first_stage=stage, **about)
    assert [step.done for step in plan.steps] == [1, 1, 1, 0.25]
    assert plan.steps[-1].seconds > 0
    # Weights and momentum twice, and the detector once: what lies there, about.
    folders = [tmp_path / "run" / "checkpoints", tmp_path / "detector"]
    there = sum(p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file())
    assert 0.5 < plan.steps[-1].size / there < 2
    store = sum(p.stat().st_size for p in (tmp_path / "embeddings").iterdir())
    assert 0.3 < plan.steps[2].size / store < 1.5
