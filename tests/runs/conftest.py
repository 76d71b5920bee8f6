import pytest

from vild.backends import keras


@pytest.fixture(scope="session", autouse=True)
def compile_quickly(tmp_path_factory):
    """These trainings make a few steps each: on JAX compiling them costs most."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    changes = {
        "jax_disable_most_optimizations": True,
        # The same step is compiled once for all of them.
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    before = {name: jax.config.values[name] for name in changes}
    for name, value in changes.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
