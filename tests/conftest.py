import os
from collections.abc import Iterator
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


# These take minutes: they begin first, so that two processes end together.
LONG = ("test_learning.py", "test_step.py", "test_devices.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no framework is installed, other modules cannot even be imported."""
    if config.option.markexpr != "numpy":
        return None
    inside = collection_path.rglob("test_*.py")
    modules = inside if collection_path.is_dir() else [collection_path]
    texts = (module.read_text("utf-8") for module in modules)
    return not any("pytest.mark.numpy" in text for text in texts) or None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
        if item.get_closest_marker("once") and _backend() != "torch":
            reason = "of no backend in particular: runs on torch, or with --slow"
            item.add_marker(pytest.mark.skip(reason=reason))


def _backend() -> str:
    from vild.backends import keras

    return keras.backend.backend()


@pytest.fixture(scope="session")
def compiled_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where JAX keeps what it has compiled for tests that train."""
    named = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    return Path(named) if named else tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def compile_quickly(compiled_programs: Path) -> Iterator[None]:
    """For trainings of a few steps: on JAX compiling them costs most."""
    from vild.backends import keras

    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    changes = {
        "jax_disable_most_optimizations": True,
        # The same step is compiled once for all of them.
        "jax_compilation_cache_dir": str(compiled_programs),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    before = {name: jax.config.values[name] for name in changes}
    for name, value in changes.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
