"""Xception for inputs other than images, and of any width."""

from __future__ import annotations

import itertools
import os

import keras
import numpy as np
from keras import layers

from lrl_keras.models.backbones.stages import LEVELS, build_backbone
from lrl_keras.models.backbones.table import BACKBONES


def pretrained(weights: str | os.PathLike[str] | None) -> list[np.ndarray] | None:
    """Return the arrays of a weights file of `keras.applications.Xception` without its top.

    Args:
        weights: path of the file, `"imagenet"`, or `None`, which returns `None`.

    Raises:
        InputError: where the weights cannot be loaded.
    """
    if weights is None:
        return None
    return build_backbone("xception", BACKBONES["xception"], 299, weights).get_weights()


def xception_stages(
    name: str,
    input_shape: tuple[int, int, int],
    strides: int = 2,
    width: int = 100,
    weights: list[np.ndarray] | None = None,
) -> list[keras.Model]:
    """Build Xception without its top, cut where F3-Net's streams exchange.

    Its layers have the names of those of `keras.applications.Xception`.

    Args:
        name: of the stream, before the names of the stages.
        input_shape: (H, W, C) of the input, H and W at least 7.
        strides: of the first convolution. Defaults to `2`, that of Xception.
        width: channels of the layers in percent of Xception's, at least 1. Defaults to `100`.
        weights: arrays that `pretrained` returned; with them, C is a multiple of 3 and `width`
            100. The kernels for R, G and B are repeated for every three channels of the input, and
            divided by the number of repetitions. Defaults to `None`, random weights.

    Returns:
        list of three stages, to be called one after another: up to the residual blocks 7 and 12
        (of 12), and up to the last activation.
    """
    model, *cuts = _xception(input_shape, strides, width)
    if weights is not None:
        kernel, *others = weights
        count = input_shape[-1] // 3
        model.set_weights([np.tile(kernel, (1, 1, count, 1)) / count, *others])
    ends = (model.input, *cuts, model.output)
    return [
        keras.Model(start, end, name=f"{name}_{level}")
        for level, (start, end) in zip(LEVELS, itertools.pairwise(ends), strict=True)
    ]


def _xception(input_shape, strides, width):
    """Build the whole: the model, and the results of the residual blocks 7 and 12."""

    def channels(count):
        return -(-count * width // 100)

    def separable(x, count, name):
        x = layers.SeparableConv2D(channels(count), 3, padding="same", use_bias=False, name=name)(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    def activated(x, count, name):
        return separable(layers.Activation("relu", name=f"{name}_act")(x), count, name)

    def shrinking(x, counts, number):
        """Apply a residual block that halves the map; the first, 2, has an activated input."""
        shortcut = layers.Conv2D(channels(counts[1]), 1, strides=2, padding="same", use_bias=False)(
            x
        )
        shortcut = layers.BatchNormalization()(shortcut)
        first = separable if number == 2 else activated
        x = first(x, counts[0], f"block{number}_sepconv1")
        x = activated(x, counts[1], f"block{number}_sepconv2")
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{number}_pool")(x)
        return layers.add([x, shortcut])

    image = keras.Input(input_shape)
    x = image
    for number, count in enumerate((32, 64), start=1):
        name = f"block1_conv{number}"
        step = strides if number == 1 else 1
        x = layers.Conv2D(channels(count), 3, strides=step, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.Activation("relu", name=f"{name}_act")(x)
    for number, count in enumerate((128, 256, 728), start=2):
        x = shrinking(x, (count, count), number)
    # Xception's convolutions before the first residual block are its block 1 in Keras.
    for number in range(5, 13):
        shortcut = x
        for part in (1, 2, 3):
            x = activated(x, 728, f"block{number}_sepconv{part}")
        x = layers.add([x, shortcut])
        if number == 8:
            seventh = x
    x = twelfth = shrinking(x, (728, 1024), 13)
    for part, count in enumerate((1536, 2048), start=1):
        name = f"block14_sepconv{part}"
        x = layers.Activation("relu", name=f"{name}_act")(separable(x, count, name))
    return keras.Model(image, x), seventh, twelfth
