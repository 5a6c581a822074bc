"""Sums of gradients whose order does not change from run to run."""

import functools

import keras
import tensorflow as tf


def fix(model):
    """Let no tensor between the stages of `model` have a gradient that is a sum of three.

    TensorFlow begins a sum of three or more with whichever is ready first, with op determinism too,
    so that the last bits of the weights would differ from run to run. A fused map and the first
    layers of the next stage, two where it begins with a residual block, read the same map. With the
    identity between them, each sum has two parts, which give the same in either order. Grappler
    would remove the identities and make one sum again, see `repeatable`.

    Args:
        model: a `Detector` on the TensorFlow backend; changed in place.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN):
            # Unrolled, the gradient of its kernel is a sum over all steps; a loop adds one by one.
            layer.unroll = False
    for stage in model.stages:
        stage.call = functools.partial(_call, stage)


def _call(stage, inputs, training=None, mask=None):
    return type(stage).call(stage, tf.identity(inputs), training=training, mask=mask)
