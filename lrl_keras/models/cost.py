"""Multiply-adds of a model, part by part."""

from __future__ import annotations

import math

import keras


def multiply_adds(model: keras.Model) -> dict[str, int]:
    """Count the multiply-adds of one forward pass of one image, for each part of the model.

    Convolutions, dense layers and matrix products are counted; operations that take one step per
    entry (normalisation, activation, padding, sums, products of attention) are not. A layer that is
    not Keras's own says what it costs by its method `multiply_adds`.

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
    if hasattr(layer, "multiply_adds"):
        return layer.multiply_adds()
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.SeparableConv2D):
        pixels = math.prod(layer.output.shape[1:3])
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return pixels * sum(math.prod(kernel.shape) for kernel in kernels)
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
        return math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape)
    return 0
