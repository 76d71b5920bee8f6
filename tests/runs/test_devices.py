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

LOSSES = ("rpn_score", "rpn_box", "class", "box", "mask", "distill", "l2")

# Sums of float32 in another order; a loss near 0 is of differences of equal numbers.
ROUNDING = {"rtol": 1e-5, "atol": 1e-8}


def run(number, out, start):
    command = [sys.executable]
    if BACKEND == "torch" and number > 1:
        command += ["-m", "torch.distributed.run", f"--nproc-per-node={number}"]
    command += [PROGRAM, str(number), out, start, str(DEVICES)]
    environment = {**os.environ, "KERAS_BACKEND": BACKEND, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, cwd=PROGRAM.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Weights at the start, and what one device and several make of them."""
    folder = tmp_path_factory.mktemp("devices")
    start = folder / "start.npz"
    one = run(1, folder / "one.npz", start)
    many = run(DEVICES, folder / "many.npz", start)
    with np.load(start) as stored:
        return dict(stored), one, many


def test_several_devices_make_the_steps_of_one(steps):
    """An ensemble that distils."""
    before, one, many = steps
    assert (one["count"], many["count"]) == (1, DEVICES)
    for step in ("0", "1"):
        for name in ("loss", *(f"{name}_loss" for name in LOSSES)):
            name = f"{step}:loss:{name}"
            np.testing.assert_allclose(many[name], one[name], **ROUNDING, err_msg=name)
    moved = 0
    for name, value in before.items():
        largest = np.abs(one[f"0:{name}"] - value).max()
        moved += largest > 0
        # Rounding through thirty layers; measured up to 2e-4 of the largest step.
        # Biases in front of a batch norm have no gradient but rounding.
        off = np.abs(many[f"0:{name}"] - one[f"0:{name}"]).max()
        assert off <= 1e-3 * largest + 1e-6, name
        # The second step begins with that rounding, and where an imitated number is as
        # good as reached, it turns the sign of its gradient; measured up to 0.03.
        change = np.linalg.norm(one[f"1:{name}"] - value)
        off = np.linalg.norm(many[f"1:{name}"] - one[f"1:{name}"])
        assert off <= 0.1 * change + 1e-6, name
    assert moved > 0.9 * len(before)


def test_losses_per_replica_are_means_over_the_parts_of_a_batch(steps):
    """As released, where each device divides by the counts of its own part."""
    _, one, many = steps
    different = set()
    for step in ("0", "1"):
        for name in LOSSES:
            whole = one[f"{step}:loss:{name}_loss"]
            expected = one[f"{step}:loss:parts:{name}"]
            found = many[f"{step}:loss:own:{name}"]
            np.testing.assert_allclose(found, expected, **ROUNDING, err_msg=name)
            alone = one[f"{step}:loss:own:{name}"]
            np.testing.assert_allclose(alone, whole, rtol=1e-6, err_msg=name)
            if abs(found / whole - 1) > 1e-3:
                different.add(name)
    # Parts hold different numbers of objects and pieces of them.
    assert {"box", "rpn_box"} <= different
    # As many anchors and regions are sampled in each part.
    assert not {"rpn_score", "class", "l2"} & different


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
