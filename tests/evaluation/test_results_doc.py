"""docs/results.md, `vild models` and the presets tell the same facts."""

import json
import re
from pathlib import Path

import pytest

import vild
from vild.cli import main
from vild.cli.main import make_parser

pytestmark = pytest.mark.numpy

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.fixture
def page():
    if not PAGE.is_file():
        pytest.skip("docs are not here")
    return PAGE.read_text("utf-8")


RELEASED = [preset for preset in vild.list_models() if preset.published]


@pytest.mark.parametrize("preset", RELEASED, ids=lambda preset: preset.name)
def test_published_and_measured_numbers(page, preset):
    rows = re.findall(rf"^\| `{preset.name}` \|(.*)\|$", page, re.MULTILINE)
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].split("|")]
    published = dict(
        zip(("APr", "APc", "APf", "AP"), map(float, cells[1:5]), strict=True)
    )
    assert published == preset.published
    assert (cells[5] == "not measured") == (preset.measured is None)


def test_the_command_line_tells_them_too(capsys):
    assert main(["models", "--json"]) == 0
    for told, preset in zip(
        json.loads(capsys.readouterr().out), vild.list_models(), strict=True
    ):
        assert told["published"] == preset.published
        assert told["measured"] == preset.measured
        assert told["evaluation"] == preset.evaluation
    assert main(["models"]) == 0
    assert vild.list_models()[0].evaluation in capsys.readouterr().out


def test_the_commands_are_ones_that_exist(page):
    commands = re.findall(r"^    vild (evaluate .*)$", page, re.MULTILINE)
    assert len(commands) == 7
    for command in [*commands, vild.list_models()[1].evaluation.removeprefix("vild ")]:
        make_parser().parse_args(command.split())


def test_every_published_row_says_what_is_not_measured(page):
    published, ours = page.split("\n## Ours: ")  # ours are all measured
    rows = [line for line in published.splitlines() if re.match(r"\| .*\d\.\d", line)]
    unmeasured = [row for row in rows if row.endswith("| not measured |")]
    assert len(rows) - len(unmeasured) == 1  # the one that is nobody's here
    assert "not measured" not in ours
