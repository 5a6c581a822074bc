import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from residuals import REFERENCE, features, reference_image
from scipy import signal, special
from skimage import data

from lrl_keras.layers import SoftCoOccurrence


def built(shape, *arguments):
    layer = SoftCoOccurrence(*arguments)
    layer.build((None, *shape))
    return layer


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("slope", REFERENCE["ld_cnn"]["vertical_columns_q2"])
def test_histograms_are_the_reference(policy, slope, channels):
    layer = built((128, 128, channels), 2, float(slope))
    images = np.repeat(reference_image()[None, ..., None].astype("float32"), channels, axis=-1)
    found = to_numpy(layer.histograms(images))[0, 1]
    expected = REFERENCE["ld_cnn"]["vertical_columns_q2"][slope]
    np.testing.assert_allclose(found[:6], expected["first_6"], atol=1e-7)
    np.testing.assert_allclose(found[40], expected["bin_40"], atol=1e-7)
    entropy = special.entr(found.astype("float64")).sum()
    np.testing.assert_allclose(entropy, expected["entropy_nats"], atol=1e-5)


def test_it_starts_as_the_code_book():
    layer = built((16, 16, 3))
    assert layer.count_params() == 8474
    kernels = [to_numpy(kernel)[:, :, 0] for kernel in layer.kernels]
    expected = REFERENCE["ld_cnn"]["row_5"]
    for along_rows, along_columns in zip(kernels[::3], kernels[1:3], strict=True):
        np.testing.assert_array_equal(along_rows[2, :4, 5], expected)
        np.testing.assert_array_equal(along_columns[:4, 2, 5], expected)
        assert np.count_nonzero(along_rows) == np.count_nonzero(along_columns) == 81 * 4 * 2 / 3
    for bias in layer.biases:
        np.testing.assert_array_equal(to_numpy(bias)[[5, 40, 80]], [-1.5, 0, -2])


def test_any_filters_are_those_of_scipy():
    layer = built((20, 23, 3), 1.5, 3.0)
    rng = np.random.default_rng(0)
    layer.set_weights([value + rng.normal(0, 0.1, value.shape) for value in layer.get_weights()])
    image = data.astronaut()[100:120, 200:223].astype("float32")
    gray = image @ [0.299, 0.587, 0.114] / (3 * 1.5)
    residuals = [
        signal.correlate(gray, to_numpy(each)[..., 0, 0], "valid") for each in layer.residuals
    ]
    for index, found in enumerate(to_numpy(layer.histograms(image[None]))[0]):
        kernel, bias = to_numpy(layer.kernels[index]), to_numpy(layer.biases[index])
        residual = residuals[index % 2]
        scores = [
            signal.correlate(residual, kernel[..., 0, word], "valid") + bias[word]
            for word in range(81)
        ]
        expected = special.softmax(3.0 * np.array(scores), axis=0).mean(axis=(1, 2))
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_large_slope_gives_the_counts():
    image = data.chelsea()[50:114, 100:164]
    layer = SoftCoOccurrence(2, 1e4)
    found = to_numpy(layer(image[None].astype("float32")))[0]
    # But for a residual of half a step, which lies between two levels.
    np.testing.assert_allclose(found, features(image), atol=1e-3)
    np.testing.assert_allclose([found[:81].sum(), found[81:].sum()], 1, rtol=1e-5)


def test_every_weight_has_a_gradient(policy):
    layer = built((16, 16, 3))
    images = data.coffee()[None, :16, :16].astype("float32")
    weights = np.random.default_rng(0).normal(size=162).astype("float32")
    _, found = gradients(lambda x: ops.multiply(layer(x), weights), [images], layer.weights)
    assert len(found) == 10
    for gradient in found:
        assert np.isfinite(gradient).all()
        assert np.any(gradient != 0)


@pytest.mark.parametrize("slope", [0, -8, float("nan"), float("inf")])
def test_refuses_a_slope(slope):
    with pytest.raises(ValueError, match="`slope` must be above 0"):
        SoftCoOccurrence(slope=slope)


@pytest.mark.parametrize("shape", [(None, 32, 3), (32, 32, 2), (8, 32, 1), (32, 32)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected images of shape"):
        SoftCoOccurrence()(keras.Input(shape))
