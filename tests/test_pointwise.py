"""1 x 1 convolutions as matrix products, against NumPy in float64 and against Keras's own."""

import functools

import keras
import numpy as np
import pytest
from backend import gradients, to_numpy

from lrl_keras.training.cpu import pointwise

SHAPE, FILTERS = (3, 4, 5, 6), 7


def convolution(**kwargs):
    """A model of one layer, and the layer."""
    keras.utils.set_random_seed(0)
    kwargs = {"kernel_size": 1, "use_bias": False, **kwargs}
    layer = keras.layers.Conv2D(FILTERS, **kwargs)
    return keras.Sequential([keras.Input(SHAPE[1:]), layer]), layer


def is_product(layer):
    return isinstance(layer.call, functools.partial)


def draw(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32")


def test_outputs_and_gradients_are_the_formulas():
    model, layer = convolution()
    pointwise.as_products(model)
    assert is_product(layer)
    x, upstream = draw(*SHAPE), np.random.default_rng(1).normal(size=(*SHAPE[:-1], FILTERS))
    upstream = upstream.astype("float32")
    (found_x,), (found_kernel,) = gradients(lambda x: layer(x) * upstream, [x], [layer.kernel])
    wide_x, wide_upstream = x.astype("float64"), upstream.astype("float64")
    kernel = layer.get_weights()[0][0, 0].astype("float64")
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    close(to_numpy(model(x)), np.einsum("bhwi,io->bhwo", wide_x, kernel))
    close(found_x, np.einsum("bhwo,io->bhwi", wide_upstream, kernel))
    close(found_kernel[0, 0], np.einsum("bhwi,bhwo->io", wide_x, wide_upstream))


def test_like_keras_under_every_policy(policy):
    model, _ = convolution()
    x = draw(*SHAPE)
    expected = model(x)
    pointwise.as_products(model)
    found = model(x)
    dtype = keras.backend.standardize_dtype(found.dtype)
    assert dtype == keras.backend.standardize_dtype(expected.dtype)
    tolerance = {"float32": 1e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}[policy]
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"kernel_size": 3},
        {"strides": 2},
        {"use_bias": True},
        {"activation": "relu"},
        {"kernel_size": (1, 3)},
    ],
)
def test_other_convolutions_are_left_to_keras(kwargs):
    model, layer = convolution(**kwargs)
    pointwise.as_products(model)
    assert not is_product(layer)


def test_configuration_stays_kerass():
    model, _ = convolution()
    before = keras.saving.serialize_keras_object(model)
    pointwise.as_products(model)
    assert keras.saving.serialize_keras_object(model) == before
