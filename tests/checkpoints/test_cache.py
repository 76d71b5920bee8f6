from pathlib import Path

import pytest

from vild.checkpoints.cache import cache_dir

pytestmark = pytest.mark.numpy


def test_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VILD_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("VILD_CACHE", "~/x")
    assert cache_dir() == Path.home() / "x"
    monkeypatch.setenv("VILD_CACHE", "")
    assert "vild" in cache_dir().parts
    assert cache_dir().is_absolute()
