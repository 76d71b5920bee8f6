import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference goldens."""
    if "VILD_REFERENCE" not in os.environ:
        pytest.skip("set VILD_REFERENCE to the folder of reference goldens")
    return Path(os.environ["VILD_REFERENCE"])
