import numpy as np
import pytest
from backend import to_numpy
from keras import ops
from scipy import ndimage

from lrl_keras.layers import LaplacianOfGaussian


def band_pass(maps, stride):
    """x - up(down(G * x)) by SciPy's correlation and Keras's own resizing."""
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    smooth = maps
    for axis in (1, 2):
        smooth = ndimage.correlate1d(smooth, kernel, axis=axis, mode="nearest")
    _, height, width, _ = maps.shape
    small = -(-height // stride), -(-width // stride)
    for size in (small, (height, width)):
        smooth = to_numpy(
            ops.image.resize(smooth.astype("float32"), size, "bilinear", antialias=False)
        )
    return maps - smooth


@pytest.mark.parametrize("shape", [(56, 56, 4), (17, 30, 3), (5, 3, 2)])
@pytest.mark.parametrize("strides", [(2, 4, 8), (3,)])
def test_it_is_scipys_blur_and_keras_resizing(shape, strides):
    maps = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    layer = LaplacianOfGaussian(5, strides)
    found = to_numpy(layer(maps))
    differences = np.concatenate([band_pass(maps, stride) for stride in strides], axis=-1)
    kernel, bias = layer.get_weights()
    expected = np.einsum("bhwc,cf->bhwf", differences, kernel[0, 0]) + bias
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_binomial_is_a_gaussian_of_deviation_one():
    kernel, places = np.array([1, 4, 6, 4, 1]) / 16, np.arange(-2, 3)
    assert kernel.sum() == 1
    assert (kernel * places**2).sum() == 1


def test_a_constant_map_leaves_the_bias():
    layer = LaplacianOfGaussian(4)
    layer.build((None, 13, 10, 6))
    layer.mix.bias.assign([1.0, -2.0, 3.0, 0.5])
    found = to_numpy(layer(np.full((1, 13, 10, 6), 7.0, "float32")))
    np.testing.assert_allclose(found, np.broadcast_to(layer.mix.bias, found.shape), atol=1e-5)


def test_parameters():
    layer = LaplacianOfGaussian(64)
    layer.build((None, 56, 56, 64))
    assert layer.count_params() == 12_352


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "`filters` must be .* Received: 0"),
        ({"filters": 2, "strides": ()}, "`strides` must be .*Received: \\(\\)"),
        ({"filters": 2, "strides": (1, 2)}, "`strides` must be .*Received: \\(1, 2\\)"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LaplacianOfGaussian(**arguments)


def test_a_wrong_shape():
    with pytest.raises(ValueError, match="Expected maps of shape"):
        LaplacianOfGaussian(2).build((None, None, 8, 3))
