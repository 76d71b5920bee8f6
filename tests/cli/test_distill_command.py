"""`vild distill`, and `vild train` with its store."""

import pytest
from few import CHANGES

import vild
from vild.cli import main

CUT = [argument for change in CHANGES for argument in ("--set", change)]
SCENES = ["drawn:train:8", "--teacher", "shapes"]


@pytest.mark.once
def test_the_road_by_commands(tmp_path, capsys):
    out = str(tmp_path / "a")
    assert main(["distill", "tiny-vild", *SCENES, "--out", out, *CUT]) == 0
    said = capsys.readouterr().out
    for words in ("Training the first stage", "Looking for boxes in 8", "crops of 48"):
        assert words in said
    assert f"The detector is in {out}/detector" in said
    assert not vild.load_pretrained(f"{out}/detector").model.config["ensemble"]
    command = ["train", "tiny-vild", *SCENES, "--regions", f"{out}/embeddings"]
    assert main([*command, "--out", str(tmp_path / "b"), *CUT]) == 0
    assert (tmp_path / "b" / "detector").is_dir()


def test_what_cannot_be_is_told(tmp_path, capsys):
    command = ["distill", "tiny", *SCENES, "--out", str(tmp_path / "a")]
    assert main(command) == 1
    assert "distils nothing: train by it with `vild train`" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--proposals", "a", "--embeddings", "b"])
    assert not (tmp_path / "a").exists()
