"""Write the fixture of test_tensor_bundle.py with TensorFlow itself.

Run it with TensorFlow installed: `python tests/checkpoints/make_fixture.py`. It
writes a TF1-style checkpoint of some forty variables, and the same values as
`expected.npz` (bfloat16 widened to float32), next to it.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

FIXTURES = Path(__file__).parent / "fixtures"


def values() -> dict[str, np.ndarray]:
    """Give the variables of a toy training run: weights, momenta, odd dtypes."""
    rng = np.random.default_rng(7)
    found: dict[str, np.ndarray] = {}
    for layer in range(9):
        base = f"resnet50/conv2d_{layer}" if layer else "resnet50/conv2d"
        norm = base.replace("conv2d", "batch_normalization")
        kernel = rng.normal(size=(3, 3, 2, layer + 1)).astype(np.float32)
        found[f"{base}/kernel"] = kernel
        found[f"{base}/kernel/Momentum"] = kernel * np.float32(0.1)
        found[f"{norm}/gamma"] = rng.normal(size=layer + 1).astype(np.float32)
        found[f"{norm}/moving_variance"] = rng.random(layer + 1, np.float32)
    found["global_step"] = np.asarray(180000, np.int64)
    found["odd/bool"] = np.asarray([[True, False, True]])
    found["odd/double"] = rng.normal(size=(2, 3))
    found["odd/empty"] = np.zeros((0, 4), np.float32)
    found["odd/half"] = rng.normal(size=5).astype(np.float16)
    found["odd/int32"] = np.asarray([-(2**31), 0, 2**31 - 1], np.int32)
    found["odd/uint8"] = np.arange(256, dtype=np.uint8).reshape(16, 16)
    return found


def main() -> None:
    """Write the checkpoint, its state file and the expected values."""
    FIXTURES.mkdir(exist_ok=True)
    expected = values()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in expected.items():
            tf.compat.v1.get_variable(name, initializer=value, use_resource=False)
        brain = tf.constant([[1.5, -2.0, 3.140625]], tf.bfloat16)
        tf.compat.v1.get_variable("odd/bfloat16", initializer=brain)
        tf.compat.v1.get_variable("odd/string", initializer=tf.constant(["a", "bc"]))
        tf.compat.v1.get_variable(
            "odd/sliced",
            initializer=tf.ones([4, 2]),
            partitioner=tf.compat.v1.fixed_size_partitioner(2),
        )
        session.run(tf.compat.v1.global_variables_initializer())
        # Relative, so that the state file names no folder of the writer's machine.
        saver = tf.compat.v1.train.Saver(save_relative_paths=True)
        saver.save(
            session, str(FIXTURES / "model.ckpt"), 180000, write_meta_graph=False
        )
    expected["odd/bfloat16"] = np.asarray([[1.5, -2.0, 3.140625]], np.float32)
    np.savez_compressed(FIXTURES / "expected.npz", **expected)


if __name__ == "__main__":
    main()
