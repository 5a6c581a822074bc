"""Base class and registry of the forgery detectors: faces in, a label and perhaps more out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import keras

from lrl_keras.errors import InputError
from lrl_keras.losses import LabelLoss
from lrl_keras.metrics import EqualErrorRate
from lrl_keras.optimizers import SCHEDULES, AdamL2
from lrl_keras.system.options import Option

_Kind = TypeVar("_Kind", bound="Detector")

DETECTORS: dict[str, type[Detector]] = {}


def register_detector(name: str) -> Callable[[type[_Kind]], type[_Kind]]:
    """Register a `Detector` under a name for `build`, the command line and runs, as a decorator.

    Args:
        name: of the forgery detector, in lower case with underscores.
    """

    def register(kind):
        if DETECTORS.get(name, kind).__qualname__ != kind.__qualname__:
            raise ValueError(f"Detector {name!r} exists already: {DETECTORS[name].__qualname__}")
        kind.NAME = name
        DETECTORS[name] = keras.saving.register_keras_serializable("lrl_keras")(kind)
        return DETECTORS[name]

    return register


def detector(name: str) -> type[Detector]:
    """Return the class of a forgery detector.

    Raises:
        InputError: there is no detector of this name.
    """
    if not isinstance(name, str) or name not in DETECTORS:
        raise InputError(f"detector must be one of {', '.join(DETECTORS)}. Received: {name!r}")
    return DETECTORS[name]


def build(name: str, **options: Any) -> Detector:
    """Build a forgery detector by name, e.g. `build("lrl", backbone="tiny", image_size=160)`.

    Args:
        name: one of `DETECTORS`.
        **options: arguments of its class.

    Raises:
        InputError: there is no detector of this name.
    """
    return detector(name)(**options)


class Detector(keras.Model):
    """Functional model whose outputs are a dict with `"label"` and perhaps more.

    Entries of losses, weights and targets for outputs that this model lacks are ignored.

    A subclass stands in one file, under `@register_detector("name")`. Its constructor takes
    `crop_margin` and `crop_size`, and it has

    - `OPTIONS`: `Option` by name, the arguments of its constructor that the command line offers,
      `image_size` among them.
    - `DEFAULTS`: by name, those of the options of every training (`learning_rate`, ...) that are
      other than LRL's.
    - `LOSS_OPTIONS`: `Option` by name, the arguments of its method `objectives`.
    - `NOT_EXPORTED`: reason by name of a format that it cannot be exported to, one line each.
    - `adapt`, where something is computed from the training faces before the first step.

    Attributes:
        image_size: side S of the input in pixels.
        patches: k of the output `"similarity"`, where there is one.
        crop_margin: side of the face crop over the longer side of the detected face.
        crop_size: side in pixels to which crops were resized in the training records.
    """

    NAME: ClassVar[str]
    OPTIONS: ClassVar[dict[str, Option]] = {}
    DEFAULTS: ClassVar[dict[str, Any]] = {}
    LOSS_OPTIONS: ClassVar[dict[str, Option]] = {
        "label_weight": Option(1.0, "weight of the label loss", least=0, most=1e6)
    }

    NOT_EXPORTED: ClassVar[dict[str, str]] = {}

    image_size: int
    crop_margin: float
    crop_size: int

    def __init__(
        self,
        inputs: keras.KerasTensor,
        outputs: dict[str, keras.KerasTensor],
        *,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        # Keras's own functional models ignore arguments that they do not know.
        super().__init__(inputs=inputs, outputs=outputs, name=name, trainable=trainable)

    def objectives(self, label_weight: float = 1.0) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the losses that the detector is trained with.

        Args:
            label_weight: weight of the label loss.

        Returns:
            (losses, weights): dicts by output.
        """
        return {"label": LabelLoss()}, {"label": label_weight}

    def adapt(self, batches: Iterable[tuple[Any, Any, Any]]) -> None:
        """Set what is computed from the training faces, once, before the first step; here nothing.

        `lrl-keras train` calls it with the batches of the first epoch, unless the run starts from
        another one; before `fit` in a program of your own, call it yourself.

        Args:
            batches: of `(images, targets, sample_weights)`, see `lrl_keras.data.load`.
        """

    @property
    def stages(self) -> list[keras.Model]:
        """Parts of the backbones, which pretrained weights are loaded into: a list of models."""
        return [
            layer
            for layer in self.layers
            if isinstance(layer, keras.Model) and layer.name != "decoder"
        ]

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str | None = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        *,
        schedule: Callable[[int, int], float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Compile with the paper's settings where no others are given.

        Args:
            optimizer: defaults to `AdamL2()`.
            loss, loss_weights: default to those of `objectives` (Eq. 10 to 13, Sec. 4.1).
            metrics: defaults to accuracy, AUC and EER of `"label"`.
            schedule: factor of the learning rate in `fit`, see `lrl_keras.optimizers.SCHEDULES`.
                Defaults to halving the rate every ten epochs (Sec. 4.1) where no optimizer is
                given, and to `None`, a constant rate, where one is.
            **kwargs: further arguments of `keras.Model.compile`.
        """
        if loss is None:
            loss, weights = self.objectives()
            loss_weights = weights if loss_weights is None else loss_weights
        if schedule is None and optimizer is None:
            schedule = SCHEDULES["halving"]()
        optimizer = AdamL2() if optimizer is None else optimizer
        if metrics is None:
            # Keras puts the output's name before the metric's where there are several outputs.
            prefix = "label_" if len(self.output) == 1 else ""
            metrics = {
                "label": [
                    keras.metrics.BinaryAccuracy(name=f"{prefix}accuracy"),
                    keras.metrics.AUC(num_thresholds=1000, name=f"{prefix}auc"),
                    EqualErrorRate(name=f"{prefix}eer"),
                ]
            }
        super().compile(
            optimizer=optimizer,
            loss=self._supervised(loss),
            loss_weights=self._supervised(loss_weights),
            metrics=metrics,
            **kwargs,
        )
        self.schedule = schedule
        # The initial rate: `fit` changes the optimizer's own.
        self._rate = None if schedule is None else float(self.optimizer.learning_rate)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if config and self.schedule is not None:  # empty before `compile`
            config["schedule"] = keras.saving.serialize_keras_object(self.schedule)
            config["optimizer"]["config"]["learning_rate"] = self._rate
        return config

    def fit(
        self,
        *args: Any,
        epochs: int = 1,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train as `keras.Model.fit` does, with the learning rate by the schedule of `compile`."""
        rate, schedule = self._rate, self.schedule
        if rate is not None and schedule is not None:
            following = keras.callbacks.LearningRateScheduler(
                lambda epoch: rate * schedule(epoch, epochs)
            )
            callbacks = [following, *(callbacks or [])]
        return super().fit(*args, epochs=epochs, callbacks=callbacks, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as before saving; Keras leaves this to models with a `compile` of their own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        return super().compute_loss(
            x, self._supervised(y), y_pred, self._supervised(sample_weight), training
        )

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        return super().compute_metrics(
            x, self._supervised(y), y_pred, self._supervised(sample_weight)
        )

    def _supervised(self, targets):
        """Keep the entries of a dict that belong to outputs of this model."""
        if not isinstance(targets, dict):
            return targets
        return {name: target for name, target in targets.items() if name in self.output}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Detector:
        return cls(**config)


def checked_integer(name: str, value: int, least: int, most: int) -> int:
    """Return `value` as int; bounded, so that a foreign configuration cannot exhaust the memory."""
    if int(value) != value or not least <= value <= most:
        raise ValueError(
            f"`{name}` must be an integer from {least} to {most}. Received: {name}={value}"
        )
    return int(value)
