import pytest
from new_classes import untrained


@pytest.fixture(scope="module", autouse=True)
def quickly(compile_quickly):
    """All of these train for a few steps."""


@pytest.fixture(scope="package")
def start(tmp_path_factory):
    """The directory of a detector to start from."""
    folder = tmp_path_factory.mktemp("start") / "detector"
    untrained().save(folder)
    return folder
