"""Small three-stage CNN for tests, the demo and first experiments."""

import keras

from lrl_keras.errors import InputError

_WIDTHS = {"low": (16, 32, 48), "mid": (64,), "high": (96,)}


def tiny(input_shape, weights=None):
    """Build a functional CNN with the strides 8, 16 and 32 at its layers `low`, `mid` and `high`.

    Args:
        input_shape: (H, W, C) of the input.
        weights: `None`, or a weights file of this network.

    Returns:
        `keras.Model` with about 0.17 million weights.

    Raises:
        InputError: `weights="imagenet"`.
    """
    if weights == "imagenet":
        raise InputError("it has no ImageNet weights")
    image = keras.Input(input_shape)
    x = image
    for level, widths in _WIDTHS.items():
        for index, width in enumerate(widths, start=1):
            name = f"{level}_conv{index}"
            x = _convolution(x, width, strides=2, name=name)
        # The last layer of a level is tapped, under the level's name.
        x = _convolution(x, widths[-1], strides=1, name=f"{level}_refine", output=level)
    model = keras.Model(image, x, name="tiny")
    if weights is not None:
        model.load_weights(weights)
    return model


def _convolution(x, width, strides, name, output=None):
    x = keras.layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=output or f"{name}_relu")(x)
