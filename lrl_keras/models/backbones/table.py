"""Where each backbone is tapped, and how it becomes the stages of one stream."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.models.backbones.efficientnet_lite import efficientnet_lite
from lrl_keras.models.backbones.tiny import tiny
from lrl_keras.system.options import Option

LEVELS = ("low", "mid", "high")

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])


@dataclasses.dataclass(frozen=True)
class Backbone:
    """One row of the table of backbones.

    Attributes:
        build: `build(input_shape, weights)` gives the functional model.
        taps: tensors at the strides 8, 16 and 32, as `"layer"` for a layer's output or
            `"layer.input"` for its input.
        entry: tensor at which the network begins; what lies before it (the builder's own input
            scaling) is replaced by `scale` and `offset`.
        scale, offset: `pixels * scale + offset` is what the backbone expects for RGB pixels in
            0..255, per channel.
    """

    build: Callable
    taps: tuple[str, str, str]
    entry: str
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


def _lite(variant, *taps):
    # Before the head: RFAM on its 1280 channels would have 6.5 million weights.
    return Backbone(
        functools.partial(efficientnet_lite, variant),
        taps=taps,
        entry="stem_conv.input",
        scale=(1 / 128,) * 3,
        offset=(-127 / 128,) * 3,
    )


def _application(name, **arguments):
    def build(input_shape, weights):
        builder = getattr(keras.applications, name)
        return builder(include_top=False, input_shape=input_shape, weights=weights, **arguments)

    return build


_STANDARDISED = {
    "scale": tuple((1 / (255 * _IMAGENET_STD)).tolist()),
    "offset": tuple((-_IMAGENET_MEAN / _IMAGENET_STD).tolist()),
}
_MINUS_ONE_TO_ONE = {"scale": (1 / 127.5,) * 3, "offset": (-1.0,) * 3}

BACKBONES = {
    "efficientnet_b4": Backbone(
        _application("EfficientNetB4"),
        taps=("block3d_add", "block5f_add", "top_activation"),
        entry="stem_conv_pad.input",
        **_STANDARDISED,
    ),
    "efficientnet_b0": Backbone(
        _application("EfficientNetB0"),
        taps=("block3b_add", "block5c_add", "top_activation"),
        entry="stem_conv_pad.input",
        **_STANDARDISED,
    ),
    "efficientnet_lite0": _lite(0, "block4", "block10", "block15"),
    "efficientnet_lite1": _lite(1, "block6", "block14", "block20"),
    "efficientnet_lite2": _lite(2, "block6", "block14", "block20"),
    "xception": Backbone(
        _application("Xception"),
        # Outputs of the blocks 3, 12 and 14; the additions themselves have no stable names.
        taps=("block4_sepconv1_act.input", "block13_sepconv1_act.input", "block14_sepconv2_act"),
        entry="block1_conv1.input",
        **_MINUS_ONE_TO_ONE,
    ),
    "mobilenet_v3_small": Backbone(
        _application("MobileNetV3Small", include_preprocessing=False),
        taps=("expanded_conv_2_add", "expanded_conv_7_add", "output"),
        entry="conv.input",
        **_MINUS_ONE_TO_ONE,
    ),
    "tiny": Backbone(
        tiny,
        taps=("low", "mid", "high"),
        entry="low_conv1.input",
        **_MINUS_ONE_TO_ONE,
    ),
}


def options(default):
    """The `Option`s of a detector that is built on a backbone.

    Args:
        default: name of the backbone where none is named.
    """
    return {
        "backbone": Option(default, "of each stream", BACKBONES),
        "weights": Option(
            "imagenet", "imagenet, none, or a weights file of the backbone", optional=True
        ),
    }


def from_config(backbone):
    """A backbone as `streams` takes it, and what stands for it in a configuration.

    Args:
        backbone: name, backbone object, or what this function made of an object before.

    Returns:
        (name or backbone object, name or dict of plain values).
    """
    if isinstance(backbone, str):
        return backbone, backbone
    if isinstance(backbone, dict):
        return keras.saving.deserialize_keras_object(backbone, safe_mode=True), backbone
    return backbone, keras.saving.serialize_keras_object(backbone)


def streams(backbone, image_size, weights, frequency):
    """The stages of the RGB stream and, if asked for, of the frequency stream.

    Args:
        backbone: name of a row of `BACKBONES`, or a KerasCV or KerasHub backbone with pyramid
            outputs at the strides 8, 16 and 32 (P3, P4 and P5).
        image_size: side of the input in pixels.
        weights: `None`, `"imagenet"`, or a weights file of the backbone without its top. A
            backbone object keeps the weights it has, and takes `None` only.
        frequency: whether to make a frequency stream, whose stem has one input channel.

    Returns:
        dict with `"rgb"` and, if asked for, `"frequency"`: a list of [rescaling layer, low stage,
        mid stage, high stage], to be called one after another. The frequency image is scaled
        like RGB but not shifted, for its mean is 0.

    Raises:
        ValueError: on a backbone that cannot be used.
        InputError: where the weights cannot be had.
    """
    if isinstance(backbone, str):
        if backbone not in BACKBONES:
            raise ValueError(
                f"`backbone` must be one of {sorted(BACKBONES)} or a KerasCV or KerasHub backbone. "
                f"Received: backbone={backbone!r}"
            )
        row = BACKBONES[backbone]
        models = {"rgb": _build(backbone, row, image_size, weights)}
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


def _build(name, row, image_size, weights):
    shape = (image_size, image_size, 3)
    remedy = (
        "use weights=None (`--weights none`) to start from random weights, or give the path of the "
        "backbone's weights file without top"
    )
    if weights == "imagenet" and name == "tiny":
        raise InputError(f"backbone 'tiny' has no ImageNet weights; {remedy}")
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file; {remedy}")
    try:
        return row.build(shape, weights)
    except Exception as error:
        if weights is None:
            raise
        # Keras raises plain `Exception` for a failed download, and whatever h5py has for a file.
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"weights {str(weights)!r} of {name} cannot be had ({reason}); {remedy}"
        ) from error


def _tensor(model, tap):
    if tap == "output":
        return model.output
    layer, _, side = tap.partition(".")
    return getattr(model.get_layer(layer), side or "output")


def _copy(backbone, shape):
    """A backbone of the same configuration for images of `shape`, with new weights."""
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
    # KerasHub lists tensors, KerasCV names of layers.
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
    """Raw pixels where the backbone scales its input itself, else [-1, 1]."""
    own = (keras.layers.Rescaling, keras.layers.Normalization)
    if any(isinstance(layer, own) for layer in backbone.layers):
        return (1.0,) * 3, (0.0,) * 3
    return _MINUS_ONE_TO_ONE["scale"], _MINUS_ONE_TO_ONE["offset"]


def _transfer(rgb_stages, frequency_stages):
    """Copy weights; kernels that read the image are summed over its channels."""
    for rgb_stage, frequency_stage in zip(rgb_stages, frequency_stages, strict=True):
        pairs = zip(rgb_stage.weights, frequency_stage.weights, strict=True)
        for source, target in pairs:
            value = keras.ops.convert_to_numpy(source)
            if value.shape != tuple(target.shape):
                # (..., 3 n, filters) -> (..., n, filters), colours varying fastest; n > 1 where
                # the stem folds pixels into channels first.
                *window, filters = target.shape
                value = value.reshape(*window, 3, filters).sum(axis=-2)
            target.assign(value)
