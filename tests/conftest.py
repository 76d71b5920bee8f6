import os
from pathlib import Path

import hypothesis
import pytest

# The first example of a test often compiles something; time says nothing here.
hypothesis.settings.register_profile("vild", deadline=None)
hypothesis.settings.load_profile("vild")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    """No test reads or writes the cache of who runs it."""
    monkeypatch.setenv("VILD_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference goldens."""
    if "VILD_REFERENCE" not in os.environ:
        pytest.skip("set VILD_REFERENCE to the folder of reference goldens")
    return Path(os.environ["VILD_REFERENCE"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
