"""Multiply-adds of a model, part by part."""

from __future__ import annotations

import math

import keras

from lrl_keras.layers import (
    FAD,
    LFS,
    RFAM,
    BilinearResize,
    FrequencyFilter,
    MixBlock,
    PatchSimilarity,
)


def multiply_adds(model: keras.Model) -> dict[str, int]:
    """Count the multiply-adds of one forward pass of one image, for each part of the model.

    Convolutions, dense layers and matrix products are counted; operations that take one step per
    entry (normalisation, activation, padding, sums, products of attention) are not.

    Args:
        model: a functional model with static shapes, e.g. an `LRL`.

    Returns:
        dict of int: one entry per layer of the model that multiplies, nested models as one entry
        under their name, and `"total"`.
    """
    parts = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            cost = multiply_adds(layer)["total"]
        else:
            cost = _layer_cost(layer)
        if cost:
            parts[layer.name] = cost
    return {**parts, "total": sum(parts.values())}


def _layer_cost(layer):
    if isinstance(layer, FrequencyFilter):
        _, height, width, channels = layer.input.shape
        rows, columns = layer._triangle.shape
        luma = 3 * height * width if channels == 3 else 0
        return luma + (rows + columns) * height * width + rows * columns * (height + width)
    if isinstance(layer, BilinearResize):
        _, height, width, channels = layer.input.shape
        if (height, width) == (layer.height, layer.width):
            return 0
        return layer.height * width * channels * (height + layer.width)
    if isinstance(layer, PatchSimilarity):
        _, height, width, channels = layer.input.shape
        k = layer.patches
        return k**4 * math.ceil(height / k) * math.ceil(width / k) * channels
    if isinstance(layer, RFAM):
        _, height, width, channels = layer.input[0].shape
        return height * width * (4 * channels**2 + 9 * 2 * channels * 2)
    if isinstance(layer, FAD):
        _, side, _, channels = layer.input.shape
        return 2 * side**3 * channels * (1 + layer.bands)
    if isinstance(layer, LFS):
        luma = 3 * math.prod(layer.input.shape[1:3]) if layer.input.shape[3] == 3 else 0
        coefficients = layer.window**2
        windows = math.prod(layer.output.shape[1:3])
        return luma + windows * coefficients * (coefficients + layer.bands)
    if isinstance(layer, MixBlock):
        _, side, _, channels = layer.input[0].shape
        return 2 * side**2 * channels * (2 * channels + side + 1)
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.SeparableConv2D):
        pixels = math.prod(layer.output.shape[1:3])
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return pixels * sum(math.prod(kernel.shape) for kernel in kernels)
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
        return math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape)
    return 0
