"""Parts of DenseNet, whose layers are called as in `keras.applications`, behind a prefix."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import keras

from lrl_keras.errors import InputError

# Dense layers of the blocks of DenseNet-121, and the channels that each of them adds.
BLOCKS = (6, 12, 24, 16)
GROWTH = 32
_EPSILON = 1.001e-5


def stem(x: keras.KerasTensor, growth: int, prefix: str = "") -> keras.KerasTensor:
    """Apply the first convolution and the pool: (B, H, W, 3) -> (B, H / 4, W / 4, 2 growth)."""
    x = keras.layers.ZeroPadding2D(3, name=f"{prefix}conv1_pad")(x)
    x = _convolution(2 * growth, 7, f"{prefix}conv1_conv", strides=2)(x)
    x = _normalised(x, f"{prefix}conv1_bn", f"{prefix}conv1_relu")
    x = keras.layers.ZeroPadding2D(1, name=f"{prefix}pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name=f"{prefix}pool1")(x)


def dense_block(
    x: keras.KerasTensor, layers: int, growth: int, dropout: float, name: str
) -> keras.KerasTensor:
    """Apply a dense block, each of whose layers adds `growth` channels.

    Args:
        x: maps (B, H, W, C).
        layers: their number.
        growth: channels that each adds.
        dropout: share of the channels' values that each leaves out in training.
        name: of the block, such as `"conv2"`.
    """
    for number in range(1, layers + 1):
        layer = f"{name}_block{number}"
        new = _normalised(x, f"{layer}_0_bn", f"{layer}_0_relu")
        new = _convolution(4 * growth, 1, f"{layer}_1_conv")(new)
        new = _normalised(new, f"{layer}_1_bn", f"{layer}_1_relu")
        new = _convolution(growth, 3, f"{layer}_2_conv", padding="same")(new)
        if dropout:
            new = keras.layers.Dropout(dropout, name=f"{layer}_dropout")(new)
        x = keras.layers.Concatenate(name=f"{layer}_concat")([x, new])
    return x


def transition(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Apply a transition: (B, H, W, C) -> (B, H / 2, W / 2, C / 2)."""
    x = _normalised(x, f"{name}_bn", f"{name}_relu")
    x = _convolution(x.shape[-1] // 2, 1, f"{name}_conv")(x)
    return keras.layers.AveragePooling2D(2, 2, name=f"{name}_pool")(x)


def end(x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply what follows the last block."""
    return _normalised(x, "bn", "relu")


def load(parts: Iterable[tuple[keras.Model, str]], weights: str | os.PathLike[str]) -> None:
    """Copy weights of DenseNet-121 into parts of it.

    Args:
        parts: (model, prefix of its layers' names) of each.
        weights: `"imagenet"`, or a weights file of `keras.applications.DenseNet121` without top.

    Raises:
        InputError: they cannot be had, or are those of another network.
    """
    remedy = (
        "use weights=None (`--weights none`) to start from random weights, or give the path of a "
        "weights file of keras.applications.DenseNet121 without top"
    )
    if weights != "imagenet" and not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file; {remedy}")
    try:
        whole = keras.applications.DenseNet121(include_top=False, weights=os.fspath(weights))
    except Exception as error:
        # Keras raises plain `Exception` for a failed download, and h5py's errors for a file.
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"weights {str(weights)!r} of DenseNet-121 cannot be loaded ({reason}); {remedy}"
        ) from error
    for part, prefix in parts:
        for layer in part.layers:
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.BatchNormalization)):
                layer.set_weights(whole.get_layer(layer.name.removeprefix(prefix)).get_weights())


def _convolution(filters, size, name, **arguments):
    return keras.layers.Conv2D(filters, size, use_bias=False, name=name, **arguments)


def _normalised(x, norm, activation):
    x = keras.layers.BatchNormalization(epsilon=_EPSILON, name=norm)(x)
    return keras.layers.Activation("relu", name=activation)(x)
