"""1 x 1 convolutions as the matrix products that they are."""

import functools

import keras
from keras import ops


def as_products(model):
    """Let the 1 x 1 convolutions of `model` train faster on a CPU.

    With its gradients, a convolution takes TensorFlow there 1.05 to 1.4 times as long as the same
    matrix product, and 2.6 times with the 3584 channels of the last RFAM. The layers stay what
    they are, with the same variables and the same configuration.

    Args:
        model: any Keras model; changed in place.
    """
    for layer in model._flatten_layers():
        if type(layer) is keras.layers.Conv2D and layer.built and _is_product(layer):
            layer.call = functools.partial(_call, layer)


def _is_product(layer):
    """Return whether its kernel alone makes each output pixel out of one input pixel."""
    one = layer.kernel_size == (1, 1) and layer.strides == (1, 1) and layer.groups == 1
    alone = not layer.use_bias and layer.activation is keras.activations.linear
    varied = getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None)
    return one and alone and not varied and layer.data_format == "channels_last"


def _call(layer, inputs):
    *pixels, channels = ops.shape(inputs)
    kernel = ops.reshape(layer.kernel, (channels, layer.filters))
    outputs = ops.matmul(ops.reshape(inputs, (-1, channels)), kernel)
    return ops.reshape(outputs, (*pixels, layer.filters))
