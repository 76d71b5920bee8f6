import pytest
from tiny_packages import make_styles

from vild.data.stickers.packages import SOURCE


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A folder of package files, and their styles."""
    folder = tmp_path_factory.mktemp("packages")
    return folder, make_styles(folder)


@pytest.fixture
def styles(packages, monkeypatch):
    """The tiny styles in the place of the real ones, whose art is not here."""
    pytest.importorskip("resvg_py", reason="resvg_py draws the pictures")
    folder, styles = packages
    monkeypatch.setattr("vild.data.stickers.styles.STYLES", styles)
    monkeypatch.setenv(SOURCE, str(folder))
    return styles


@pytest.fixture(scope="session")
def art_cache(packages, tmp_path_factory):
    """A cache with the tiny styles drawn."""
    pytest.importorskip("resvg_py", reason="resvg_py draws the pictures")
    from vild.data.stickers.art import make_art

    cache = tmp_path_factory.mktemp("art")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VILD_CACHE", str(cache))
        patch.setenv(SOURCE, str(packages[0]))
        for style in packages[1]:
            make_art(style)
    return cache


@pytest.fixture
def made(styles, art_cache, monkeypatch):
    """The tiny styles, drawn already."""
    monkeypatch.setenv("VILD_CACHE", str(art_cache))
    return styles
