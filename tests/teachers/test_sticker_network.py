import numpy as np

from vild.backends import keras
from vild.teachers import sticker_network


def test_folded_normalisation_changes_nothing() -> None:
    trained = sticker_network.make_network(normalised=True)
    rng = np.random.default_rng(0)
    for layer in trained.layers:
        if layer.name.startswith("norm"):
            for weight in layer.weights:  # gamma, beta, mean, variance
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    plain = sticker_network.make_network()
    sticker_network.set_weights(plain, sticker_network.folded(trained))
    images = rng.uniform(-1, 1, (4, 48, 48, 3)).astype(np.float32)
    one, other = (
        keras.ops.convert_to_numpy(network(images, training=False))
        for network in (trained, plain)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * abs(one).max())
