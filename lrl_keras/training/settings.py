"""How a network is trained: the settings of a run, and networks built and compiled by them."""

import contextlib
import types
import warnings

import keras
import tensorflow as tf

from lrl_keras.data.augment.choices import AUGMENTATIONS
from lrl_keras.data.records import names_of
from lrl_keras.errors import InputError
from lrl_keras.models import DETECTORS, detector
from lrl_keras.optimizers import SCHEDULES, AdamL2
from lrl_keras.saving.run import CONFIG, Run
from lrl_keras.system.options import Option, complete
from lrl_keras.training.cpu import fixed_sums, fused_norm, pointwise

DETECTOR = Option("lrl", "the network", DETECTORS)
# Those of every training; a detector adds its own.
OPTIONS = {
    "start": Option(
        None,
        "run that training begins with the weights of, or default: the shipped detector",
        metavar="RUN",
        type=str,
        stated="none",
    ),
    "methods": Option(
        None,
        "forgery methods to train on and to choose the best epoch by",
        metavar="METHOD",
        type=str,
        many=True,
        stated="all",
    ),
    "head_epochs": Option(
        0, "first epochs that leave the backbones as they are", least=0, most=1_000_000
    ),
    "frozen_norm": Option(False, "leave the backbones' BatchNormalization as it was at the start"),
    "epochs": Option(50, "passes over the balanced training split", least=1, most=1_000_000),
    "batch_size": Option(32, "faces a step, over all GPUs", least=1, most=1_000_000),
    "learning_rate": Option(2e-4, "of the first epoch", least=1e-12, most=1e300),
    "schedule": Option("halving", "of the learning rate", SCHEDULES),
    "weight_decay": Option(1e-5, "L2 factor, added to the gradient", least=0, most=1),
    "averaging": Option(
        0.0, "momentum of the average of weights that is kept", least=0, most=0.99999
    ),
    "augment": Option(
        "flip",
        "random changes of the faces; "
        + "; ".join(f"{name}: {each.help}" for name, each in AUGMENTATIONS.items()),
        AUGMENTATIONS,
    ),
    "cache": Option(False, "keep the decoded training faces in memory"),
    "precision": Option(
        "auto",
        "auto is mixed_float16 on a GPU, float32 elsewhere",
        ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    ),
    "seed": Option(0, "of weights, order and augmentation", least=0, most=2**32 - 1),
}


def options(name):
    """All options of the training of a detector: `Option` by name.

    Args:
        name: one of `lrl_keras.models.DETECTORS`.
    """
    kind, found = detector(name), dict(OPTIONS)
    for schedule in SCHEDULES.values():
        found |= schedule.OPTIONS
    return {**found, **kind.OPTIONS, **kind.LOSS_OPTIONS}


class Settings:
    """How a run is trained; the defaults are the paper's (Sec. 4.1). Each option is an attribute.

    Args:
        detector: one of `lrl_keras.models.DETECTORS`.
        **given: values of `options(detector)` that differ from the defaults.

    Raises:
        InputError: an option that this detector does not have, or a value that it does not take.
    """

    __slots__ = ("_values", "detector")

    def __init__(self, detector="lrl", **given):
        declared = options(detector)
        values = complete(declared, given, f"the training of {detector}")
        values["methods"] = names_of(values["methods"])
        if values["averaging"] and values["head_epochs"] >= values["epochs"]:
            raise InputError("averaging needs an epoch that trains all; head_epochs must be fewer")
        object.__setattr__(self, "detector", detector)
        object.__setattr__(self, "_values", types.MappingProxyType(values))

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"the training of {self.detector} has no option {name!r}")
        return self._values[name]

    def __setattr__(self, name, value):
        raise AttributeError(f"settings stay as they are; replace({name}={value!r}) makes others")

    def __eq__(self, other):
        return isinstance(other, Settings) and self.content() == other.content()

    def __hash__(self):
        return hash(tuple(self.content().items()))

    def __repr__(self):
        given = "".join(f", {name}={value!r}" for name, value in self.chosen().items())
        return f"Settings({self.detector!r}{given})"

    def __reduce__(self):
        return _settings, (self.content(),)

    def content(self):
        """Dict of all values, as `config.json` holds them and `Settings` takes them."""
        return {"detector": self.detector, **self._values}

    def chosen(self):
        """Dict of the values that are not the defaults."""
        declared = options(self.detector)
        return {
            name: value for name, value in self._values.items() if value != declared[name].default
        }

    def replace(self, **given):
        """These settings with other values."""
        return Settings(**{**self.content(), **given})

    def of(self, declared):
        """Dict of the values of the options in `declared`."""
        return {name: self._values[name] for name in declared}

    def words(self):
        """Dict of all values, each a bool, a number or a text."""
        found = self.content()
        if self.methods is not None:
            found["methods"] = ", ".join(self.methods)
        return {name: "none" if value is None else value for name, value in found.items()}


def _settings(content):
    return Settings(**content)


def saved_settings(run):
    """The `Settings` that a run was started with: of a folder, or of a `lrl_keras.saving.run.Run`.

    Raises:
        InputError: it was not trained, or with settings that there are no more.
    """
    run = Run.open(run)
    if not isinstance(run.settings, dict):
        raise InputError(f"{run.path(CONFIG)}: has no settings; the run cannot be resumed")
    try:
        return Settings(**run.settings)
    except InputError as error:
        raise InputError(f"{run.path(CONFIG)}: {error}; the run cannot be resumed") from None


def build(settings, records):
    """The network of `settings`, knowing how the faces of the `Records` were cropped."""
    kind = detector(settings.detector)
    arguments = settings.of(kind.OPTIONS)
    arguments |= {"crop_size": records.image_size, "crop_margin": records.margin or 1.3}
    try:
        model = kind(**arguments)
    except ValueError as error:
        raise InputError(str(error)) from error
    if "similarity" in model.output:
        _warn_of_uneven_patches(model)
    return model


def _warn_of_uneven_patches(model):
    side, patches = model.get_layer("similarity").input.shape[1], model.patches
    if side % patches:
        warnings.warn(
            f"image_size={model.image_size} gives a last map of {side} x {side} pixels, which "
            f"{patches} x {patches} patches do not divide: those at the border are smaller or "
            f"empty, and lie elsewhere than the mask's. image_size={32 * patches} or "
            f"{64 * patches} would fit",
            stacklevel=1,
        )


def compile(model, settings):
    """Compile `model` with the losses and the optimizer of `settings`."""
    if settings.frozen_norm:
        for stage in model.stages:
            for layer in stage._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if not on_gpu:
        # XLA, which would do as much by itself, is slow at depthwise convolutions on a CPU.
        fused_norm.fuse(model)
        pointwise.as_products(model)
        fixed_sums.fix(model)
    schedule = SCHEDULES[settings.schedule]
    loss, loss_weights = model.objectives(**settings.of(model.LOSS_OPTIONS))
    model.compile(
        AdamL2(
            settings.learning_rate,
            settings.weight_decay,
            use_ema=settings.averaging > 0,
            ema_momentum=settings.averaging,
        ),
        loss,
        loss_weights,
        schedule=schedule(**settings.of(schedule.OPTIONS)),
        jit_compile=on_gpu,
    )
    _build_losses(model)


def _build_losses(model):
    # Keras makes the losses' variables in the first step, and TensorFlow traces a function again
    # that has made variables: with them there already, once is enough.
    outputs = {
        name: keras.ops.zeros((1, *tensor.shape[1:])) for name, tensor in model.output.items()
    }
    mask = keras.ops.zeros((1, model.image_size, model.image_size, 1))
    targets = {"label": outputs["label"], "similarity": mask, "mask": mask}
    model.compute_loss(y=targets, y_pred=outputs)
    model.reset_metrics()


def load_compiled(run):
    """The network of a run, compiled as `train` compiles it, with the precision of its settings.

    Args:
        run: folder that `train` or `lrl_keras.save` wrote; where it has no settings the
            defaults are taken.

    Raises:
        InputError: as `lrl_keras.load`.
    """
    run = Run.open(run)
    settings = Settings(run.detector) if run.settings is None else saved_settings(run)
    with precision(settings.precision):
        model = run.network()
    compile(model, settings)
    return model


@contextlib.contextmanager
def precision(name):
    """The dtype policy of a setting, for as long as the context lasts."""
    if name == "auto":
        name = "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)
