"""Several devices make the step that one makes with the same batch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vild.backends import keras, kernels
from vild.errors import InputError
from vild.replicas import Replicas

BACKEND = keras.backend.backend()
DEVICES = {"jax": 4, "tensorflow": 2, "torch": 2}[BACKEND]
PROGRAM = Path(__file__).with_name("devices_program.py")


def run(number, out, start):
    command = [sys.executable]
    if BACKEND == "torch" and number > 1:
        command += ["-m", "torch.distributed.run", f"--nproc-per-node={number}"]
    command += [PROGRAM, str(number), out, start]
    environment = {**os.environ, "KERAS_BACKEND": BACKEND, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, cwd=PROGRAM.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as stored:
        return dict(stored)


def test_several_devices_make_the_step_of_one(tmp_path):
    start = tmp_path / "start.npz"
    one = run(1, tmp_path / "one.npz", start)
    many = run(DEVICES, tmp_path / "many.npz", start)
    assert (one.pop("count"), many.pop("count")) == (1, DEVICES)
    with np.load(start) as stored:
        before = dict(stored)
    losses = [name for name in one if name.startswith("loss:")]
    assert len(losses) == 7
    for name in losses:
        # Sums of float32 in another order.
        np.testing.assert_allclose(many[name], one[name], rtol=1e-5, err_msg=name)
    moved = 0
    for name, value in before.items():
        largest = np.abs(one[name] - value).max()
        moved += largest > 0
        # Rounding through thirty layers; measured up to 2e-4 of the largest step.
        # Biases in front of a batch norm have no gradient but rounding.
        off = np.abs(many[name] - one[name]).max()
        assert off <= 1e-3 * largest + 1e-6, name
    assert moved > 0.9 * len(before)


def test_a_batch_is_shared_out_evenly_or_not_at_all():
    assert Replicas(4, processes=4, per_program=True).program_batch(8) == 2
    assert Replicas(4, processes=2).program_batch(8) == 8
    with pytest.raises(InputError, match="multiple of 4"):
        Replicas(4).program_batch(6)


def test_devices_that_are_not_there_are_told():
    with (
        pytest.raises(InputError, match=r"99|torchrun"),
        kernels.devices(99),
    ):
        raise AssertionError
