"""Embedding on a local cluster of Ray: two workers, of which one is killed."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_embedding import HOW, Means, Photos, everything, propose

from vild.embedding import embed
from vild.errors import TeacherError


class Signed(Means):
    """A slow teacher that leaves the number of its process in a folder."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def encode_image(self, images):
        (self.folder / str(os.getpid())).touch()
        time.sleep(0.05)
        return super().encode_image(images)


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        # Workers import the teacher from here.
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        ray.init(num_cpus=2, log_to_driver=False)
        yield
        ray.shutdown()


def signed(folder):
    """Processes that have encoded, this one left out."""
    return {int(p.name) for p in folder.iterdir()} - {os.getpid()}


@pytest.mark.usefixtures("cluster")
def test_a_killed_worker_changes_nothing(tmp_path):
    boxes = propose(tmp_path / "boxes", Photos())
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    folder = tmp_path / "pids"
    folder.mkdir()
    killed = []

    def kill():
        until = time.monotonic() + 60
        while len(signed(folder)) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        killed.append(min(signed(folder)))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    embed(
        Photos(), boxes, Signed(folder), tmp_path / "b", engine="ray", workers=2, **HOW
    )
    killer.join()
    assert killed
    assert len(signed(folder)) >= 2
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


@pytest.mark.usefixtures("cluster")
def test_failures_and_errors_come_back(tmp_path):
    boxes = propose(tmp_path / "boxes", Photos())
    for engine in ("local", "ray"):
        with pytest.warns(UserWarning, match="1 of 20 images failed"):
            embed(
                Photos(), boxes, Means(bad=130), tmp_path / engine, engine=engine, **HOW
            )
    assert everything(tmp_path / "local") == everything(tmp_path / "ray")
    embed(Photos(), boxes, Means(), tmp_path / "ray", engine="ray", **HOW)
    embed(Photos(), boxes, Means(), tmp_path / "c", **HOW)
    assert everything(tmp_path / "c") == everything(tmp_path / "ray")
    np.savez(tmp_path / "w.npz", names=["cat"], embeddings=np.ones((1, 4)))
    words = f"precomputed:{tmp_path}/w.npz"
    with pytest.raises(TeacherError, match="has no encode_image"):
        embed(Photos(), boxes, words, tmp_path / "d", engine="ray")
