"""Adam with L2 regularisation, as PyTorch and the paper use it, and schedules of its rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from lrl_keras.system.options import Option


def _bias_correction(beta, step):
    """Compute 1 - beta^step without the cancellation that loses float32 digits in early steps."""
    return -ops.expm1(step * math.log(beta)) if beta else ops.ones_like(step)


@keras.saving.register_keras_serializable("lrl_keras")
class AdamL2(keras.optimizers.Adam):
    """Adam that adds the weight decay to the gradient, step for step `torch.optim.Adam`.

        g  = gradient + weight_decay * w
        m  = beta_1 * m + (1 - beta_1) * g
        v  = beta_2 * v + (1 - beta_2) * g²
        w -= learning_rate / (1 - beta_1^t) * m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon)

    `keras.optimizers.Adam(weight_decay=...)` is something else: it decays the weights apart from
    the gradient (AdamW), and adds epsilon before the bias correction.

    Args:
        learning_rate: float, schedule or callable. Defaults to `2e-4`, the paper's.
        weight_decay: the L2 factor. Defaults to `1e-5`, the paper's. Applies to every variable that
            is not named by `exclude_from_weight_decay`.
        beta_1: decay of the first moment. Defaults to `0.9`.
        beta_2: decay of the second moment. Defaults to `0.999`.
        epsilon: added to the denominator. Defaults to `1e-8`, PyTorch's.

    Reference: Sec. 4.1, 'Implementation'; Kingma and Ba, 2015.
    """

    def __init__(
        self,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule
        | Callable[[], Any] = 2e-4,
        weight_decay: float | None = 1e-5,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "adam_l2",
        **kwargs: Any,
    ) -> None:
        if kwargs.get("amsgrad"):
            raise ValueError("AdamL2 has no AMSGrad. Received: amsgrad=True")
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            name=name,
            **kwargs,
        )

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # The constants are made once: TensorFlow would trace those of each of a thousand variables.
        step = ops.cast(self.iterations + 1, "float32")
        rate = ops.cast(learning_rate, "float32") / _bias_correction(self.beta_1, step)
        root = ops.sqrt(_bias_correction(self.beta_2, step))
        betas = (self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2)
        values = (*betas, self.epsilon, self.weight_decay or 0.0)
        constants = [ops.convert_to_tensor(value, "float32") for value in values]
        super()._backend_update_step(grads, trainable_variables, (rate, root, *constants))

    def update_step(self, gradient: Any, variable: Any, numbers: Sequence[Any]) -> None:
        """Update one variable.

        Args:
            gradient: of the variable.
            variable: `keras.Variable`, or what the backend has for one.
            numbers: learning_rate / (1 - beta_1^t), sqrt(1 - beta_2^t), beta_1, 1 - beta_1,
                beta_2, 1 - beta_2, epsilon and weight_decay, as tensors.
        """
        dtype = variable.dtype
        numbers = [ops.cast(value, dtype) for value in numbers]
        rate, root, keep_m, take_m, keep_v, take_v, epsilon, weight_decay = numbers
        gradient = ops.cast(gradient, dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            gradient = gradient + variable * weight_decay

        index = self._get_variable_index(variable)
        # m += (g - m) * (1 - beta_1) would lose a small g next to a large m in rounding.
        m = keep_m * self._momentums[index] + take_m * gradient
        v = keep_v * self._velocities[index] + take_v * ops.square(gradient)
        self.assign(self._momentums[index], m)
        self.assign(self._velocities[index], v)
        self.assign_sub(variable, rate * m / (ops.sqrt(v) / root + epsilon))

    def _apply_weight_decay(self, variables):
        """Do nothing: the decay is part of the gradient already."""


class Schedule:
    """Schedule of the learning rate: called with (epoch, epochs), it returns a factor of the rate.

    Attributes:
        OPTIONS: `Option` by name, its arguments, which the command line offers.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {}

    def __init__(self, **options: Any) -> None:
        self._options = options
        for name, value in options.items():
            setattr(self, name, value)

    def __call__(self, epoch: int, epochs: int) -> float:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return self._options

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Schedule:
        return cls(**config)


@keras.saving.register_keras_serializable("lrl_keras")
class Halving(Schedule):
    """Schedule that halves the rate after every `halve_every` epochs.

    Args:
        halve_every: epochs. Defaults to `10`, the paper's.

    Reference: Sec. 4.1, 'Implementation'.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "halve_every": Option(
            10, "epochs after which halving halves the rate", least=1, most=1_000_000
        )
    }

    halve_every: int

    def __init__(self, halve_every: int = 10) -> None:
        super().__init__(halve_every=halve_every)

    def __call__(self, epoch: int, epochs: int) -> float:
        return 0.5 ** (epoch // self.halve_every)


@keras.saving.register_keras_serializable("lrl_keras")
class Cosine(Schedule):
    """Schedule that rises in even steps over `warmup` epochs, then falls to 0 as half a cosine.

    Args:
        warmup: epochs. Defaults to `0`.

    Reference: Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "warmup": Option(0, "epochs in which cosine's rate rises", least=0, most=1_000_000)
    }

    warmup: int

    def __init__(self, warmup: int = 0) -> None:
        super().__init__(warmup=warmup)

    def __call__(self, epoch: int, epochs: int) -> float:
        if epoch < self.warmup:
            return (epoch + 1) / (self.warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (epoch - self.warmup) / max(epochs - self.warmup, 1)))


@keras.saving.register_keras_serializable("lrl_keras")
class Constant(Schedule):
    """Schedule that keeps the rate."""

    def __call__(self, epoch: int, epochs: int) -> float:
        return 1.0


@keras.saving.register_keras_serializable("lrl_keras")
class Tenth(Schedule):
    """Schedule that divides the rate by ten after every `tenth_every` epochs, down to a floor.

    Args:
        tenth_every: epochs. Defaults to `1`.
        tenth_floor: smallest factor of the first rate, in [0, 1]. Defaults to `1e-3`: from 1e-3 to
            1e-6, as FaceForensics++ trained MesoNet.

    Reference: Roessler et al., "FaceForensics++", ICCV 2019.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "tenth_every": Option(
            1, "epochs after which tenth divides the rate by ten", least=1, most=1_000_000
        ),
        "tenth_floor": Option(
            1e-3, "part of the first rate below which tenth does not go", least=0, most=1
        ),
    }

    tenth_every: int
    tenth_floor: float

    def __init__(self, tenth_every: int = 1, tenth_floor: float = 1e-3) -> None:
        super().__init__(tenth_every=tenth_every, tenth_floor=tenth_floor)

    def __call__(self, epoch: int, epochs: int) -> float:
        return max(10.0 ** -(epoch // self.tenth_every), self.tenth_floor)


# Schedules by the name that the option `--schedule` takes.
SCHEDULES: dict[str, type[Schedule]] = {
    "halving": Halving,
    "cosine": Cosine,
    "constant": Constant,
    "tenth": Tenth,
}
