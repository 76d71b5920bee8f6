"""Optimisers: the released one, momentum with the rate outside of it; and Adam."""

from collections.abc import Sequence
from typing import Any

from vild.backends import keras

ops = keras.ops


class _RateByStep(keras.optimizers.Optimizer):
    """Its schedule counts steps.

    Keras asks a schedule for the number of batches, not of steps, where the gradients
    of several batches make one step.
    """

    def _get_current_learning_rate(self) -> Any:
        if isinstance(
            self._learning_rate, keras.optimizers.schedules.LearningRateSchedule
        ):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()


@keras.saving.register_keras_serializable("vild")
class Adam(_RateByStep, keras.optimizers.Adam):
    """Keras's Adam, for which the gradients of several batches make one step too."""


@keras.saving.register_keras_serializable("vild")
class Momentum(_RateByStep):
    """Gradient descent with momentum: `v = m v + g`, then `w -= lr v`.

    Keras's own SGD has the learning rate inside the velocity, so that a change of the
    rate takes tens of steps to be felt. Warm-up and steps of a schedule differ by
    that from the released ones.

    Args:
        learning_rate: a number or a `keras.optimizers.schedules.LearningRateSchedule`.
        momentum: m, from 0 to 1.
        name: of the optimiser.
        **options: further arguments of `keras.optimizers.Optimizer`.

    Source: released behaviour (TensorFlow 1's momentum optimiser).
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.9,
        name: str = "momentum",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum = momentum

    def build(self, variables: Sequence[Any]) -> None:
        """Makes a velocity for every variable.

        Args:
            variables: what will be trained.
        """
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable.

        Args:
            gradient: of the loss.
            variable: a Keras variable.
            learning_rate: now.
        """
        rate = ops.cast(learning_rate, variable.dtype)
        velocity = self.velocities[self._get_variable_index(variable)]
        new = self.momentum * velocity + ops.cast(gradient, variable.dtype)
        self.assign(velocity, new)
        self.assign_sub(variable, rate * new)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, JSON-serialisable."""
        return {**super().get_config(), "momentum": self.momentum}


@keras.saving.register_keras_serializable("vild")
class WarmupSteps(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then steps.

    Args:
        rate: after the warm-up.
        warmup: steps that it takes.
        start: rate at step 0.
        boundaries: steps from which on the rate is another one.
        rates: which one, for each boundary.

    Source: released behaviour.
    """

    def __init__(
        self,
        rate: float = 0.32,
        warmup: int = 1000,
        start: float = 0.0032,
        boundaries: Sequence[int] = (162_000, 171_000),
        rates: Sequence[float] = (0.032, 0.0032),
    ) -> None:
        self.config = {
            "rate": rate,
            "warmup": warmup,
            "start": start,
            "boundaries": tuple(boundaries),
            "rates": tuple(rates),
        }

    def __call__(self, step: Any) -> Any:
        """The rate at a step.

        Args:
            step: from 0.

        Returns:
            Scalar float32.
        """
        config: dict[str, Any] = self.config
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(config["rate"], "float32")
        for boundary, later in zip(config["boundaries"], config["rates"], strict=True):
            rate = ops.where(step >= boundary, later, rate)
        if not config["warmup"]:
            return rate
        climb = (config["rate"] - config["start"]) * step / config["warmup"]
        return ops.where(step < config["warmup"], config["start"] + climb, rate)

    def get_config(self) -> dict[str, Any]:
        """Everything the constructor needs, JSON-serialisable."""
        return dict(self.config)
