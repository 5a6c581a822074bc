import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from PIL import Image
from scipy import fft
from skimage import data

from lrl_keras.layers import FrequencyFilter, dct_matrix

# Weights of ITU-R BT.601; a test below compares them with Pillow's.
BT601 = np.array([0.299, 0.587, 0.114])
# 1e-5 of the pixels' range 0..255.
TOLERANCE = 255e-5
SIZES = [(17, 17), (32, 32), (20, 33), (299, 299)]


def pixels(batch, height, width, channels=3):
    rng = np.random.default_rng(height + width + batch)
    return rng.integers(0, 256, (batch, height, width, channels)).astype("float32")


def high_pass(gray, alpha):
    """Eq. (1)-(3) by SciPy, float64: (B, H, W) -> (B, H, W)."""
    spectrum = fft.dctn(gray, axes=(1, 2), norm="ortho")
    height, width = gray.shape[1:]
    for i in range(height):
        for j in range(width):
            if i / height + j / width < alpha:
                spectrum[:, i, j] = 0
    return fft.idctn(spectrum, axes=(1, 2), norm="ortho")


@pytest.mark.parametrize("n", [1, 2, 17, 32, 299])
def test_matrix_is_the_orthonormal_dct(n):
    matrix = dct_matrix(n)
    expected = fft.dct(np.eye(n), axis=0, norm="ortho")
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, expected, atol=1e-7)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(n), atol=1e-5)


@pytest.mark.parametrize("n", [0, -3])
def test_matrix_needs_a_length(n):
    with pytest.raises(ValueError, match="`n` must be at least 1"):
        dct_matrix(n)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_scipy_under_every_policy(policy, height, width):
    images = pixels(2, height, width)
    result = FrequencyFilter()(images)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    expected = high_pass(images.astype("float64") @ BT601, 0.33)
    np.testing.assert_allclose(to_numpy(result)[..., 0], expected, atol=TOLERANCE)


@pytest.mark.parametrize("alpha", [0, 1e-9, 0.1, 1.0, 1.7, 2])
def test_any_triangle(alpha):
    images = pixels(2, 17, 32)
    result = to_numpy(FrequencyFilter(alpha)(images))[..., 0]
    expected = high_pass(images.astype("float64") @ BT601, alpha)
    np.testing.assert_allclose(result, expected, atol=TOLERANCE)


def test_photograph():
    image = data.astronaut()[None, :299, :299].astype("float32")
    result = to_numpy(FrequencyFilter()(image))[..., 0]
    expected = high_pass(image.astype("float64") @ BT601, 0.33)
    np.testing.assert_allclose(result, expected, atol=TOLERANCE)
    assert abs(result.mean()) < TOLERANCE


def test_grayscale_is_pillows():
    image = data.astronaut()[:64, :64]
    gray = to_numpy(FrequencyFilter(alpha=0)(image[None].astype("float32")))[0, ..., 0]
    # Pillow rounds to whole levels.
    expected = np.asarray(Image.fromarray(image).convert("L"), "float64")
    np.testing.assert_allclose(gray, expected, atol=0.501)


def test_one_channel_is_taken_as_gray():
    gray = pixels(2, 20, 20, channels=1)
    result = to_numpy(FrequencyFilter()(gray))[..., 0]
    np.testing.assert_allclose(result, high_pass(gray[..., 0], 0.33), atol=TOLERANCE)


def test_whole_numbers_are_taken_as_they_are():
    images = pixels(1, 16, 16)
    whole, real = (to_numpy(FrequencyFilter()(images.astype(t))) for t in ("uint8", "float32"))
    np.testing.assert_array_equal(whole, real)


def test_gradient_is_the_filter_itself():
    images, direction = pixels(1, 17, 20), pixels(1, 17, 20, channels=1) / 255
    layer = FrequencyFilter()
    ((gradient,), _) = gradients(lambda x: ops.multiply(layer(x), direction), [images])
    # A projection of gray is its own transpose; the gray itself distributes by its weights.
    expected = high_pass(direction[..., 0].astype("float64"), 0.33)[..., None] * BT601
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


@pytest.mark.parametrize("level", [0, 1, 255])
def test_an_even_picture_has_no_frequencies(policy, level):
    result = to_numpy(FrequencyFilter()(np.full((1, 299, 299, 3), level, "float32")))
    np.testing.assert_allclose(result, 0, atol=TOLERANCE)


@pytest.mark.parametrize("alpha", [-0.1, 2.1, float("nan")])
def test_refuses_alpha(alpha):
    with pytest.raises(ValueError, match="`alpha` must be in"):
        FrequencyFilter(alpha)


@pytest.mark.parametrize("shape", [(None, None, 3), (32, None, 3), (32, 32, 2), (32, 32, None)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected images of shape"):
        FrequencyFilter()(keras.Input(shape))


def test_refuses_another_size_than_it_was_built_for():
    layer = FrequencyFilter()
    layer(pixels(1, 16, 16))
    with pytest.raises(ValueError, match="expected axis"):
        layer(pixels(1, 17, 16))
