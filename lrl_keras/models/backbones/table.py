"""Table of the backbones: how each is built, where it is tapped, and the pixels it expects."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np

from lrl_keras.models.backbones.efficientnet_lite import efficientnet_lite
from lrl_keras.models.backbones.tiny import tiny
from lrl_keras.system.options import Option

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])


@dataclasses.dataclass(frozen=True)
class Backbone:
    """Row of the table of backbones.

    Attributes:
        build: `build(input_shape, weights)` returns the functional model.
        taps: tensors at the strides 8, 16 and 32, as `"layer"` for a layer's output or
            `"layer.input"` for its input.
        entry: tensor at which the network begins; the builder's own input scaling before it is
            replaced by `scale` and `offset`.
        scale, offset: the backbone expects `pixels * scale + offset`, per channel, for RGB pixels
            in 0..255.
    """

    build: Callable
    taps: tuple[str, str, str]
    entry: str
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


def _lite(variant, *taps):
    # The last tap lies before the head: RFAM on 1280 channels would have 6.5 million weights.
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


STANDARDISED = {
    "scale": tuple((1 / (255 * _IMAGENET_STD)).tolist()),
    "offset": tuple((-_IMAGENET_MEAN / _IMAGENET_STD).tolist()),
}
MINUS_ONE_TO_ONE = {"scale": (1 / 127.5,) * 3, "offset": (-1.0,) * 3}

BACKBONES = {
    "efficientnet_b4": Backbone(
        _application("EfficientNetB4"),
        taps=("block3d_add", "block5f_add", "top_activation"),
        entry="stem_conv_pad.input",
        **STANDARDISED,
    ),
    "efficientnet_b0": Backbone(
        _application("EfficientNetB0"),
        taps=("block3b_add", "block5c_add", "top_activation"),
        entry="stem_conv_pad.input",
        **STANDARDISED,
    ),
    "efficientnet_lite0": _lite(0, "block4", "block10", "block15"),
    "efficientnet_lite1": _lite(1, "block6", "block14", "block20"),
    "efficientnet_lite2": _lite(2, "block6", "block14", "block20"),
    "xception": Backbone(
        _application("Xception"),
        # Outputs of the blocks 3, 12 and 14, whose additions have no stable names.
        taps=("block4_sepconv1_act.input", "block13_sepconv1_act.input", "block14_sepconv2_act"),
        entry="block1_conv1.input",
        **MINUS_ONE_TO_ONE,
    ),
    "mobilenet_v3_small": Backbone(
        _application("MobileNetV3Small", include_preprocessing=False),
        taps=("expanded_conv_2_add", "expanded_conv_7_add", "output"),
        entry="conv.input",
        **MINUS_ONE_TO_ONE,
    ),
    "tiny": Backbone(
        tiny,
        taps=("low", "mid", "high"),
        entry="low_conv1.input",
        **MINUS_ONE_TO_ONE,
    ),
}


def options(default: str) -> dict[str, Option]:
    """Return the `Option`s of a forgery detector that is built on a backbone.

    Args:
        default: name of the default backbone.
    """
    return {
        "backbone": Option(default, "of each stream", BACKBONES),
        "weights": Option(
            "imagenet", "imagenet, none, or a weights file of the backbone", optional=True
        ),
    }
