import pytest


@pytest.fixture(scope="module", autouse=True)
def quickly(compile_quickly):
    """All of these train for a few steps."""
