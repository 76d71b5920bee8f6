"""What Keras makes of endless batches, on the backend that runs."""

import numpy as np
import pytest

from vild.backends import keras
from vild.data.batches import Batches
from vild.data.drawn_dataset import DrawnObjects
from vild.data.input_settings import InputSettings

ops = keras.ops
SCENES = DrawnObjects("train:7", (64, 64))
LABELS = {category.id: row + 1 for row, category in enumerate(SCENES.categories)}
STEPS, EPOCHS = 3, 3


def batches(**options):
    return Batches(SCENES, LABELS, InputSettings(64, max_objects=4), 2, **options)


class Seen(keras.Model):
    """Writes down the seeds of each batch that it is trained with."""

    def __init__(self, room):
        super().__init__()
        self.bias = self.add_weight(shape=(), name="bias")
        self.seeds = self.add_weight(
            shape=(room, 2), dtype="int32", initializer="zeros", trainable=False
        )
        self.sums = self.add_weight(shape=(room,), initializer="zeros", trainable=False)
        self.count = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        self.built = True

    def call(self, batch):
        return batch

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **_):
        here = ops.one_hot(self.count, self.seeds.shape[0], dtype="int32")
        self.seeds.assign_add(here[:, None] * x["seeds"][None])
        masks = ops.sum(ops.cast(x["masks"], "float32"))
        total = ops.sum(x["images"]) + ops.sum(x["boxes"]) + masks
        self.sums.assign_add(ops.cast(here, "float32") * total)
        self.count.assign_add(1)
        return ops.square(self.bias - 1.0)


@pytest.mark.parametrize("options", [{}, {"workers": 2, "threads": 1}])
def test_epochs_go_on_where_the_last_one_ended(options):
    source = batches(**options)
    model = Seen(STEPS * EPOCHS)
    model.compile(optimizer="sgd")
    history = model.fit(
        source.from_step(5),
        steps_per_epoch=STEPS,
        epochs=EPOCHS,
        verbose=0,
        shuffle=False,
    )
    expected = [source.at(5 + step) for step in range(STEPS * EPOCHS)]
    assert int(model.count) == STEPS * EPOCHS
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.seeds), [batch["seeds"] for batch in expected]
    )
    sums = [
        sum(batch[key].sum(dtype="float64") for key in ("images", "boxes", "masks"))
        for batch in expected
    ]
    # Sums of some 10^5 numbers in float32, in any order.
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.sums), sums, rtol=1e-4, atol=1
    )
    assert len(history.history["loss"]) == EPOCHS


class Broken:
    name, categories = "broken", SCENES.categories

    def __len__(self):
        return 7

    def __getitem__(self, index):
        # The last one of the first epoch: Keras has looked at others by then.
        if index == batches().images(3)[0].index:
            raise OSError("the disk is gone")
        return SCENES[index]


def test_the_words_of_an_error_arrive():
    source = Batches(Broken(), LABELS, InputSettings(64), 2)
    model = Seen(20)
    model.compile(optimizer="sgd")
    # TensorFlow raises an error of its own, around ours.
    with pytest.raises(Exception, match=r"number . .* of 'broken'.*the disk is gone"):
        model.fit(source.from_step(), steps_per_epoch=10, verbose=0, shuffle=False)
    seeds = ops.convert_to_numpy(model.seeds)
    for step in range(3):
        np.testing.assert_array_equal(seeds[step], batches().at(step)["seeds"])
    assert not seeds[3:].any()
