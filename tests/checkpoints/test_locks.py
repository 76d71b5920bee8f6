import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vild.checkpoints.locks import locked

pytestmark = pytest.mark.numpy


def test_only_one_is_inside(tmp_path: Path) -> None:
    inside, most = 0, 0
    done = []

    def work(number: int) -> None:
        nonlocal inside, most
        with locked(tmp_path / "new" / ".lock"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1
        done.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert sorted(done) == list(range(8))
    assert list((tmp_path / "new").iterdir()) == []


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path / ".lock"):
        raise RuntimeError
    with locked(tmp_path / ".lock"):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    code = f"""if True:
        import time
        from pathlib import Path
        from vild.checkpoints.locks import locked
        with locked(Path({str(path)!r})):
            print("locked", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    process.kill()
    process.communicate()
    assert path.exists()
    with locked(path):
        pass
    assert not path.exists()
