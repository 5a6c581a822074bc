"""Stages of the RGB and the frequency stream, cut from a backbone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.models.backbones.table import BACKBONES, MINUS_ONE_TO_ONE, Backbone

LEVELS = ("low", "mid", "high")


def from_config(
    backbone: str | keras.Model | dict[str, Any],
) -> tuple[str | keras.Model, str | dict[str, Any]]:
    """Convert a backbone for `streams` and for a configuration.

    Args:
        backbone: name, backbone object, or a dict that this function returned.

    Returns:
        (name or backbone object, name or dict of plain values): the former for `streams`, the
        latter for the configuration.
    """
    if isinstance(backbone, str):
        return backbone, backbone
    if isinstance(backbone, dict):
        return keras.saving.deserialize_keras_object(backbone, safe_mode=True), backbone
    return backbone, keras.saving.serialize_keras_object(backbone)


def streams(
    backbone: str | keras.Model,
    image_size: int,
    weights: str | os.PathLike[str] | None,
    frequency: bool,
) -> dict[str, list[keras.Model]]:
    """Build the stages of the RGB stream and, if asked for, of the frequency stream.

    Args:
        backbone: name of a row of `BACKBONES`, or a KerasCV or KerasHub backbone with pyramid
            outputs at the strides 8, 16 and 32 (P3, P4 and P5).
        image_size: side of the input in pixels.
        weights: `None`, `"imagenet"`, or a weights file of the backbone without its top. A
            backbone object keeps its own weights, and allows `None` only.
        frequency: whether to make a frequency stream, whose stem has one input channel.

    Returns:
        dict with `"rgb"` and, if asked for, `"frequency"`: a list of [rescaling layer, low stage,
        mid stage, high stage], to be called one after another. The frequency image is scaled like
        RGB but not shifted, because its mean is 0.

    Raises:
        ValueError: on a backbone that cannot be used.
        InputError: where the weights cannot be loaded.
    """
    if isinstance(backbone, str):
        if backbone not in BACKBONES:
            raise ValueError(
                f"`backbone` must be one of {sorted(BACKBONES)} or a KerasCV or KerasHub backbone. "
                f"Received: backbone={backbone!r}"
            )
        row = BACKBONES[backbone]
        models = {"rgb": build_backbone(backbone, row, image_size, weights)}
        if frequency:
            models["frequency"] = row.build((image_size, image_size, 1), None)
        tensors = {
            name: [_tensor(model, tap) for tap in (row.entry, *row.taps)]
            for name, model in models.items()
        }
        scale, offset = row.scale, row.offset
    else:
        if weights is not None:
            raise ValueError(
                "A backbone object brings its own weights; leave `weights=None`. "
                f"Received: weights={weights!r}"
            )
        models = {"rgb": _copy(backbone, (image_size, image_size, 3))}
        models["rgb"].set_weights(backbone.get_weights())
        if frequency:
            models["frequency"] = _copy(backbone, (image_size, image_size, 1))
        tensors = {name: [model.input, *_pyramid(model)] for name, model in models.items()}
        scale, offset = _object_scale(backbone)

    result = {}
    for name, (entry, low, mid, high) in tensors.items():
        stages = [
            keras.Model(start, end, name=f"{name}_{level}")
            for level, start, end in zip(LEVELS, (entry, low, mid), (low, mid, high), strict=True)
        ]
        gray = name == "frequency"
        rescaling = keras.layers.Rescaling(
            float(np.mean(scale)) if gray else list(scale),
            0.0 if gray else list(offset),
            dtype="float32",
            name=f"{name}_scale",
        )
        result[name] = [rescaling, *stages]
    if frequency:
        _transfer(result["rgb"][1:], result["frequency"][1:])
    return result


def build_backbone(
    name: str, row: Backbone, image_size: int, weights: str | os.PathLike[str] | None
) -> keras.Model:
    """Build the backbone of a row of `BACKBONES` for RGB images.

    Args:
        name: of the row, for the error.
        row: the row.
        image_size, weights: as in `streams`.

    Raises:
        InputError: where the weights cannot be loaded.
    """
    shape = (image_size, image_size, 3)
    remedy = (
        "use weights=None (`--weights none`) to start from random weights, or give the path of the "
        "backbone's weights file without top"
    )
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file; {remedy}")
    try:
        return row.build(shape, weights)
    except Exception as error:
        if weights is None:
            raise
        # Keras raises plain `Exception` for a failed download, and h5py's errors for a file.
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"weights {str(weights)!r} of {name} cannot be loaded ({reason}); {remedy}"
        ) from error


def _tensor(model, tap):
    if tap == "output":
        return model.output
    layer, _, side = tap.partition(".")
    return getattr(model.get_layer(layer), side or "output")


def _copy(backbone, shape):
    """Build a backbone of the same configuration for images of `shape`, with new weights."""
    config = backbone.get_config()
    key = next((key for key in ("image_shape", "input_shape") if key in config), None)
    if key is None:
        raise ValueError(
            "Expected a KerasCV or KerasHub backbone, whose configuration has `image_shape` or "
            f"`input_shape`. Received: {type(backbone).__name__}"
        )
    config[key] = shape
    return type(backbone).from_config(config)


def _pyramid(model):
    # KerasHub states tensors, KerasCV names of layers.
    outputs = getattr(model, "pyramid_outputs", None)
    if not outputs:
        names = getattr(model, "pyramid_level_inputs", None) or {}
        outputs = {level: model.get_layer(name).output for level, name in names.items()}
    missing = [level for level in ("P3", "P4", "P5") if level not in outputs]
    if missing:
        raise ValueError(
            "Expected a backbone with pyramid outputs at the strides 8, 16 and 32 (P3, P4, P5). "
            f"Received: {type(model).__name__} with {sorted(outputs)}"
        )
    return [outputs[level] for level in ("P3", "P4", "P5")]


def _object_scale(backbone):
    """Return scale and offset: raw pixels where the backbone scales them itself, else [-1, 1]."""
    own = (keras.layers.Rescaling, keras.layers.Normalization)
    if any(isinstance(layer, own) for layer in backbone.layers):
        return (1.0,) * 3, (0.0,) * 3
    return MINUS_ONE_TO_ONE["scale"], MINUS_ONE_TO_ONE["offset"]


def _transfer(rgb_stages, frequency_stages):
    """Copy weights; sum the kernels that read the image over its channels."""
    for rgb_stage, frequency_stage in zip(rgb_stages, frequency_stages, strict=True):
        pairs = zip(rgb_stage.weights, frequency_stage.weights, strict=True)
        for source, target in pairs:
            value = keras.ops.convert_to_numpy(source)
            if value.shape != tuple(target.shape):
                # (..., 3 n, filters) -> (..., n, filters), where colours vary fastest; n > 1 where
                # the stem folds pixels into channels first.
                *window, filters = target.shape
                value = value.reshape(*window, 3, filters).sum(axis=-2)
            target.assign(value)
