"""Every loss and its gradient against those of the released code."""

import numpy as np
import pytest
from gradients import value_and_gradients

from vild.backends import keras
from vild.training import losses

ops = keras.ops
tensor = ops.convert_to_tensor
LEVELS = range(2, 7)


@pytest.fixture(scope="module")
def golden(reference):
    with np.load(reference / "train_losses.npz") as arrays:
        return dict(arrays)


def check(found, value, *gradients):
    # As the reference suggests for float32 on another framework.
    np.testing.assert_allclose(found[0], value, rtol=1e-5)
    for ours, theirs in zip(found[1], gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)


def test_rpn_scores(golden):
    targets = [tensor(golden[f"rpn_score_targets_{level}"]) for level in LEVELS]
    found = value_and_gradients(
        lambda *logits: losses.rpn_score_loss(logits, targets, 256),
        *(golden[f"rpn_scores_{level}"] for level in LEVELS),
    )
    gradients = [golden[f"rpn_score_grad_{level}"] for level in LEVELS]
    check(found, golden["rpn_score_loss"], *gradients)


def test_rpn_boxes(golden):
    targets = [tensor(golden[f"rpn_box_targets_{level}"]) for level in LEVELS]
    found = value_and_gradients(
        lambda *outputs: losses.rpn_box_loss(outputs, targets),
        *(golden[f"rpn_boxes_{level}"] for level in LEVELS),
    )
    gradients = [golden[f"rpn_box_grad_{level}"] for level in LEVELS]
    check(found, golden["rpn_box_loss"], *gradients)


@pytest.mark.parametrize("masked", [True, False])
def test_classes(golden, masked):
    trained = tensor(golden["rare_mask"] > 0) if masked else None
    end = "" if masked else "_no_mask"
    found = value_and_gradients(
        lambda logits: losses.class_loss(
            logits, tensor(golden["class_targets"]), trained
        ),
        golden["class_outputs"],
    )
    check(found, golden[f"class_loss{end}"], golden[f"class_grad{end}"])


def test_boxes(golden):
    found = value_and_gradients(
        lambda outputs: losses.box_loss(
            outputs, tensor(golden["box_targets"]), tensor(golden["class_targets"])
        ),
        golden["box_outputs"],
    )
    check(found, golden["box_loss"], golden["box_grad"])


def test_masks(golden):
    found = value_and_gradients(
        lambda logits: losses.mask_loss(
            logits, tensor(golden["mask_targets"]), tensor(golden["mask_classes"])
        ),
        golden["mask_outputs"],
    )
    check(found, golden["mask_loss"], golden["mask_grad"])


def test_distillation(golden):
    found = value_and_gradients(
        lambda outputs: (
            0.5
            * losses.distill_loss(
                outputs,
                tensor(golden["distill_targets"]),
                tensor(golden["distill_roi_boxes"]),
            )
        ),
        golden["distill_outputs"],
    )
    check(found, golden["distill_loss_weighted"], golden["distill_grad"])


def test_nothing_to_learn_from_gives_zero_and_no_nan():
    boxes = np.ones((1, 3, 4), "float32")
    ones, none = tensor(boxes), tensor(np.zeros((1, 3), "int32"))
    for function, array in [
        (lambda x: losses.box_loss(x, 0 * ones, none), boxes),
        (lambda x: losses.rpn_box_loss([x], [0 * ones]), boxes),
        (lambda x: losses.distill_loss(x, 0 * ones, -ones), boxes),
        (lambda x: losses.mask_loss(x, 0 * ones[..., None], none), boxes[..., None]),
    ]:
        value, (gradient,) = value_and_gradients(function, array)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)


def test_a_distillation_target_of_zeros_gives_no_nan():
    outputs = np.eye(2, 4, dtype="float32")[None]
    nothing, boxes = tensor(0 * outputs), tensor(outputs)
    value, (gradient,) = value_and_gradients(
        lambda x: losses.distill_loss(x, nothing, boxes), outputs
    )
    assert value == 1
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_a_batch_add_up(seed):
    """Two devices, each with its part, and the mean of their gradients."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(4, 5, 4)).astype("float32")
    targets = rng.normal(size=(4, 5, 4)).astype("float32")
    classes = rng.integers(0, 2, (4, 5))
    classes[:2] = seed == 1  # once a device has nothing of its own
    parts = [slice(0, 2), slice(2, 4)]
    mean = 4 * (classes > 0).sum() / len(parts)

    whole = value_and_gradients(
        lambda x: losses.box_loss(x, tensor(targets), tensor(classes)), outputs
    )
    each = [
        value_and_gradients(
            lambda x, part=part: losses.box_loss(
                x,
                tensor(targets[part]),
                tensor(classes[part]),
                lambda count: 0 * count + mean,
            ),
            outputs[part],
        )
        for part in parts
    ]
    np.testing.assert_allclose(np.mean([value for value, _ in each]), whole[0], 1e-5)
    together = np.concatenate([gradients[0] for _, gradients in each]) / len(parts)
    np.testing.assert_allclose(together, whole[1][0], rtol=1e-5, atol=1e-8)


def test_what_is_not_annotated_may_be_behind_the_background():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 5)).astype("float32")
    targets = tensor(np.array([[0, 2, 0], [0, 1, 4]]))
    known = np.array([[True, True, False, False], [True, True, True, True]])

    def loss(x, annotated):
        return losses.class_loss(x, targets, annotated=annotated)

    value, (gradient,) = value_and_gradients(lambda x: loss(x, tensor(known)), logits)
    chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    right = chances[[0, 0, 0, 1, 1, 1], [0, 1, 2] * 2, [0, 2, 0, 0, 1, 4]]
    right[[0, 2]] += chances[0, [0, 2]][:, [3, 4]].sum(axis=-1)
    np.testing.assert_allclose(value, -np.log(right).mean(), rtol=1e-5)
    # Learning raises what may be there, and lowers it where something else is.
    assert (gradient[0, [0, 2]][:, [0, 3, 4]] < 0).all()
    assert (gradient[0, 1, [3, 4]] > 0).all()
    # An image that is annotated for everything learns as ever.
    plain, (ordinary,) = value_and_gradients(lambda x: loss(x, None), logits)
    np.testing.assert_allclose(gradient[1], ordinary[1], rtol=1e-5, atol=1e-7)
    everything = tensor(np.ones_like(known))
    np.testing.assert_allclose(float(loss(tensor(logits), everything)), plain, 1e-6)


def test_classes_that_are_never_trained_are_not_behind_the_background():
    logits = np.zeros((1, 1, 3), "float32")
    value, _ = value_and_gradients(
        lambda x: losses.class_loss(
            x,
            tensor(np.zeros((1, 1), int)),
            tensor(np.array([True, True, False])),
            annotated=tensor(np.array([[False, False]])),
        ),
        logits,
    )
    np.testing.assert_allclose(value, -np.log(2 / 3), rtol=1e-6)
