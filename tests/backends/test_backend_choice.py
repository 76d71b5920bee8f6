import json
import os
import subprocess
import sys

import pytest

from vild.backends.selection import BACKENDS

ASK = "from vild.backends.selection import select_backend; print(select_backend())"
# Hides installed frameworks from `find_spec`, as if they were not there.
HIDE = """
import importlib.machinery, sys
class Hider:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {hidden!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hider)
import importlib.util
find = importlib.util.find_spec
def find_visible(name, *rest):
    return None if name in {hidden!r} else find(name, *rest)
importlib.util.find_spec = find_visible
"""


def run(code, tmp_path, hidden=(), **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KERAS")}
    kept |= {"KERAS_HOME": str(tmp_path), **environment}
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(hidden=list(hidden)) + code],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


def installed():
    code = (
        "import importlib.util\n"
        f"print(*[b for b in {BACKENDS!r} if importlib.util.find_spec(b)])"
    )
    return subprocess.check_output([sys.executable, "-c", code], text=True).split()


def configure(tmp_path, backend):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": backend}))


def test_an_installed_framework_is_chosen(tmp_path):
    assert run(ASK, tmp_path).stdout.split() == installed()[:1]


def test_a_missing_framework_that_keras_wrote_down_by_itself_is_passed_over(tmp_path):
    configure(tmp_path, "tensorflow")
    here = [name for name in installed() if name != "tensorflow"]
    if not here:
        pytest.skip("only TensorFlow is installed")
    assert run(ASK, tmp_path, hidden=["tensorflow"]).stdout.split() == here[:1]


def test_the_configuration_file_decides_among_installed_ones(tmp_path):
    last = installed()[-1]
    configure(tmp_path, last)
    assert run(ASK, tmp_path).stdout.split() == [last]
    (tmp_path / "keras.json").write_text("not json")
    assert run(ASK, tmp_path).stdout.split() == installed()[:1]


def test_the_environment_decides_over_all(tmp_path):
    last = installed()[-1]
    configure(tmp_path, installed()[0])
    assert run(ASK, tmp_path, KERAS_BACKEND=last).stdout.split() == [last]


@pytest.mark.parametrize("wanted", ["jax", "torch", "tensorflow"])
def test_a_wanted_framework_that_is_missing_is_one_sentence(tmp_path, wanted):
    result = run(ASK, tmp_path, hidden=[wanted], KERAS_BACKEND=wanted)
    sentence = result.stderr.strip().splitlines()[-1]
    assert f"pip install vild[{wanted}]" in sentence
    assert "BackendError" in sentence


def test_a_foreign_backend_is_one_sentence(tmp_path):
    result = run(ASK, tmp_path, KERAS_BACKEND="openvino")
    assert "vild runs on" in result.stderr.strip().splitlines()[-1]


def test_without_any_framework_the_first_model_says_what_to_install(tmp_path):
    code = "import vild\nvild.list_models()\nprint('fine')\nvild.load_pretrained('r50')"
    result = run(code, tmp_path, hidden=BACKENDS)
    assert result.stdout == "fine\n"
    assert "pip install vild[jax]" in result.stderr.strip().splitlines()[-1]
    code = "from vild.__main__ import main; import sys; sys.exit(main(['models']))"
    result = run(code, tmp_path, hidden=BACKENDS)
    assert result.returncode == 0, result.stderr
