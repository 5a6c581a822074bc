"""Networks built and compiled by the settings of a run."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from lrl_keras.errors import InputError
from lrl_keras.models import detector
from lrl_keras.optimizers import SCHEDULES, AdamL2
from lrl_keras.saving.run import Run
from lrl_keras.training.cpu import fixed_sums, fused_norm
from lrl_keras.training.settings import Settings, saved_settings

if TYPE_CHECKING:
    from lrl_keras.data import Records
    from lrl_keras.models import Detector


def build(settings: Settings, records: Records) -> Detector:
    """Build the network of `settings` for faces that are cropped as those of the `Records`."""
    kind = detector(settings.detector)
    arguments = settings.of(kind.OPTIONS)
    arguments |= {"crop_size": records.image_size, "crop_margin": records.margin or 1.3}
    try:
        model = kind(**arguments)
    except ValueError as error:
        raise InputError(str(error)) from error
    if "similarity" in model.output:
        _warn_of_uneven_patches(model)
    if "side" in kind.OPTIONS and model.image_size != records.image_size:
        warnings.warn(
            f"{model.NAME} looks at traces in single pixels, which resizing the records' crops "
            f"changes: give image_size={records.image_size}, theirs, instead of {model.image_size}",
            stacklevel=1,
        )
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


def compile(model: Detector, settings: Settings) -> None:
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
        fixed_sums.fix(model)
    schedule = SCHEDULES[settings.schedule]
    loss, loss_weights = model.objectives(**settings.of(model.LOSS_OPTIONS))
    model.compile(
        AdamL2(
            settings.learning_rate,
            settings.weight_decay,
            step_factors=model.STEP_FACTORS if settings.protocol == "paper" else {},
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
    # Keras makes the losses' variables in the first step, and TensorFlow traces a function that
    # has made variables a second time. Made here, they spare that trace.
    outputs = {
        name: keras.ops.zeros((1, *tensor.shape[1:])) for name, tensor in model.output.items()
    }
    mask = keras.ops.zeros((1, model.image_size, model.image_size, 1))
    targets = {"label": outputs["label"], "similarity": mask, "mask": mask, "xray": mask}
    model.compute_loss(y=targets, y_pred=outputs)
    model.reset_metrics()


def load_compiled(run: str | os.PathLike[str] | Run) -> Detector:
    """Load the network of a run and compile it as `train` does, in the precision of its settings.

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
def precision(name: str) -> Iterator[None]:
    """Set the dtype policy of a setting for as long as the context lasts."""
    if name == "auto":
        name = "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)
