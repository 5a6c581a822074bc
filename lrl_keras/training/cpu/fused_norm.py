"""Batch normalisation as the one operation that TensorFlow has for it."""

import functools

import keras
import tensorflow as tf


def fuse(model):
    """Let the BatchNormalization layers of `model` train faster on a CPU.

    Keras makes the training step of each, with its gradient, out of dozens of operations, many of
    which read all of the map; here two do, and there are fewer to trace. The layers stay what
    they are, with the same variables and the same configuration; in inference nothing changes.

    A step of LRL with EfficientNet-Lite0 (160 pixels, 16 faces) takes 0.72 s with it and 1.07 s
    without: medians of 25, turn by turn, on two cores of an Intel Sapphire Rapids.

    Args:
        model: a model on the TensorFlow backend; changed in place.
    """
    for layer in model._flatten_layers():
        if type(layer) is keras.layers.BatchNormalization and _is_plain(layer):
            layer.call = functools.partial(_call, layer)


def _is_plain(layer):
    """Return whether it normalises the channels of (B, H, W, C), without Keras's variations."""
    varied = layer.synchronized or getattr(layer, "renorm", False)
    maps = layer.built and layer.input_spec.ndim == 4
    return maps and layer.axis in (-1, 3) and layer.scale and layer.center and not varied


def _call(layer, inputs, training=None, mask=None):
    if not (training and layer.trainable) or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    # In float32 whatever the dtype policy, like Keras.
    maps = tf.cast(inputs, "float32")
    previous = tf.convert_to_tensor(layer.moving_variance)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=maps,
        scale=tf.convert_to_tensor(layer.gamma),
        offset=tf.convert_to_tensor(layer.beta),
        mean=tf.convert_to_tensor(layer.moving_mean),
        variance=previous,
        epsilon=layer.epsilon,
        exponential_avg_factor=1 - layer.momentum,
        is_training=True,
    )
    # The batch's part in `variance` is its sum of squares divided by n - 1; Keras divides by n.
    part = variance - previous * layer.momentum
    variance = variance - part * (maps.shape[-1] / tf.cast(tf.size(maps), "float32"))
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    return tf.cast(outputs, layer.compute_dtype)
