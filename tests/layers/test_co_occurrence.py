import keras
import numpy as np
import pytest
from backend import to_numpy
from residuals import REFERENCE, features, histograms, reference_image
from skimage import data

from lrl_keras.layers import CoOccurrence


def gray(image):
    return np.asarray(image, "float32")[None, ..., None]


def counts(image, *arguments):
    """(4, bins) of one image, (H, W) or (H, W, 3)."""
    images = gray(image) if image.ndim == 2 else np.asarray(image, "float32")[None]
    return to_numpy(CoOccurrence(*arguments).counts(images))[0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", [1, 2])
def test_counts_are_those_of_noiseprint(policy, step, channels):
    images = np.repeat(gray(reference_image()), channels, axis=-1)
    layer = CoOccurrence(step)
    found = to_numpy(layer.counts(images))[0]
    expected = REFERENCE["spam_162"][f"q{step}"]
    np.testing.assert_array_equal(found[0] + found[1], expected["own_direction_counts"])
    np.testing.assert_array_equal(found[2] + found[3], expected["cross_direction_counts"])
    both = np.concatenate([*expected.values()]) / (2 * 120 * 120)
    result = layer(images)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(result)[0], both, rtol=1e-6)


def dde(step, truncation, which):
    """Histogram 'h' (own direction) or 'v' (across), at DDE's positions and in DDE's order of bins.

    DDE has two rows more, beside the words, and one word more in each: pixels are put around the
    image, none of which is seen. It takes the vertical residual from below, with the other sign.
    """
    own = which == "h"
    image = reference_image()
    rows, columns = ((2, 2), (0, 1)), ((1, 0), (2, 2))
    horizontal = counts(np.pad(image, rows if own else ((0, 1), (2, 2))), step, truncation)
    vertical = counts(np.pad(image, columns if own else ((3, 1), (0, 1))), step, truncation)
    horizontal, vertical = horizontal[0 if own else 2], vertical[1 if own else 3]
    assert horizontal.sum() == vertical.sum() == 124 * 121
    axes = (2 * truncation + 1,) * 4
    whole = horizontal.reshape(axes) + vertical.reshape(axes)[::-1, ::-1, ::-1, ::-1]
    # The first level changes slowest.
    return whole.transpose() / (124 * 121)


@pytest.mark.parametrize("which", ["h", "v"])
def test_counts_are_those_of_dde(which):
    expected = REFERENCE["srm_dde"]["q2_T1"][f"spam14{which}"]
    np.testing.assert_allclose(dde(2, 1, which).reshape(-1), expected, atol=1e-8)


def test_five_levels_are_those_of_dde():
    number = np.arange(625).reshape((5,) * 4)
    negative = number[::-1, ::-1, ::-1, ::-1]
    alike = np.stack([number, negative, number.transpose(), negative.transpose()])
    _, group = np.unique(alike.min(axis=0), return_inverse=True)
    sums = np.bincount(group.reshape(-1), dde(2, 2, "h").reshape(-1))
    expected = REFERENCE["srm_dde"]["q2_T2_spam14h_symmetrised"]
    # In another order of the groups.
    np.testing.assert_allclose(np.sort(sums), np.sort(expected), atol=1e-8)


@pytest.mark.parametrize("truncation", [1, 2, 3])
@pytest.mark.parametrize("step", [0.5, 1.5, 2])
def test_a_photograph_is_counted_to_the_integer(step, truncation):
    image = data.astronaut()[100:161, 200:240]
    expected = histograms(image, round(1000 * step), truncation)
    np.testing.assert_array_equal(counts(image, step, truncation), expected)


def test_halves_go_away_from_zero():
    # Residuals of 3 and -3: half of 3 q for q = 2.
    image = np.zeros((9, 9))
    image[:, 4] = 1
    found = counts(image)
    np.testing.assert_array_equal(found, histograms(image, 2000))
    # Along rows -1 3 -3 1: 0, 1, 0 and -1 after it, or all levels but the first and the last.
    assert (found[0] > 0).sum() == 1
    assert found[0, 1 * 1 + 2 * 3 + 0 * 9 + 1 * 27] == 1


def test_pixels_are_taken_as_whole_numbers():
    image = data.coffee()[:40, :40].astype("float32")
    noise = np.random.default_rng(0).uniform(-0.499, 0.499, image.shape)
    np.testing.assert_array_equal(counts(image + noise), counts(image))


def test_features_of_a_photograph():
    image = data.chelsea()[50:178, 100:228]
    found = to_numpy(CoOccurrence()(image[None].astype("float32")))[0]
    np.testing.assert_allclose(found, features(image), rtol=1e-6)
    np.testing.assert_allclose([found[:81].sum(), found[81:].sum()], 1, rtol=1e-6)


def test_the_turned_image_has_the_same_features():
    image = data.chelsea()[:64, :64].astype("float32")[None]
    layer = CoOccurrence()
    turned = to_numpy(layer(image.transpose(0, 2, 1, 3)))
    np.testing.assert_array_equal(to_numpy(layer(image)), turned)


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf")])
def test_refuses_a_step(step):
    with pytest.raises(ValueError, match="`step` must be above 0"):
        CoOccurrence(step)


@pytest.mark.parametrize("truncation", [0, 5, 1.5])
def test_refuses_a_truncation(truncation):
    with pytest.raises(ValueError, match="`truncation` must be an integer from 1 to 4"):
        CoOccurrence(truncation=truncation)


@pytest.mark.parametrize("shape", [(None, 32, 3), (32, 32, 2), (8, 32, 1), (32, 32)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected images of shape"):
        CoOccurrence()(keras.Input(shape))
