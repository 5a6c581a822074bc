import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import to_numpy
from scipy import fft

from lrl_keras.layers import FAD

# The numbers of PyTorch code; the file says which.
REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures/baselines_f3_net.json").read_text())


def formula(side=299):
    """The image that the reference was made with: float32 (1, S, S, 3)."""
    i, j, c = np.ogrid[:side, :side, :3]
    image = 0.5 * np.sin(0.1 * i + 0.2 * j + c) + 0.25 * np.cos(0.9 * i - 1.3 * j + c)
    return (image + 0.25 * np.sin(0.005 * i * j))[None].astype("float32")


def layer(bands, side, masks=None, channels=3):
    result = FAD(bands)
    result.build((None, side, side, channels))
    if masks is not None:
        result.masks.assign(np.broadcast_to(masks, result.masks.shape))
    return result


def test_equals_the_repository():
    expected = REFERENCE["fad"]
    result = to_numpy(layer(4, 299, masks=0.0)(formula()))[0]
    assert result.shape == (299, 299, 12)
    rows, columns = np.transpose(REFERENCE["positions"])
    np.testing.assert_allclose(result[rows, columns], expected["at_positions"], atol=1e-5)
    np.testing.assert_allclose(np.abs(result).mean(axis=(0, 1)), expected["mean_abs"], atol=1e-5)


def test_equals_the_repository_with_learnt_masks():
    expected = REFERENCE["fad"]
    k = np.arange(299 * 299).reshape(299, 299)
    masks = np.stack([0.1 * np.sin(0.01 * k + m) for m in range(4)])
    result = to_numpy(layer(4, 299, masks)(formula()))[0]
    np.testing.assert_allclose(result[149, 149], expected["learnt_at_149_149"], atol=1e-5)
    found = np.abs(result).mean(axis=(0, 1))
    np.testing.assert_allclose(found, expected["learnt_mean_abs"], atol=1e-5)


@pytest.mark.parametrize("side", [256, 299])
def test_sizes_of_the_bands(side):
    # Every coefficient of this image is 1, so that the energy of a band counts its coefficients.
    image = fft.idctn(np.ones((side, side)), norm="ortho")[None, :, :, None].astype("float32")
    result = to_numpy(layer(4, side, masks=0.0, channels=1)(image))
    energy = np.square(result.astype("float64")).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(energy, REFERENCE["fad"]["ones"][str(side)], atol=0.5)


def test_three_bands_are_the_first_three_of_four():
    masks = np.random.default_rng(0).normal(size=(4, 32, 32))
    image = formula(32)
    four, three = layer(4, 32, masks)(image), layer(3, 32, masks[:3])(image)
    np.testing.assert_allclose(to_numpy(three), to_numpy(four)[..., :9], atol=1e-6)


@pytest.mark.parametrize("side", [7, 33])
def test_equals_scipy_under_every_policy(policy, side):
    fad = layer(3, side)
    image = formula(side)
    result = fad(image)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    i, j = np.ogrid[:side, :side]
    bounds = [0, side // 2.82, side // 2, 2 * side]
    for band, (low, high) in enumerate(itertools.pairwise(bounds)):
        mask = ((i + j >= low) & (i + j <= high)) + np.tanh(to_numpy(fad.masks)[band] / 2)
        spectrum = fft.dctn(image.astype("float64"), axes=(1, 2), norm="ortho")
        expected = fft.idctn(spectrum * mask[..., None], axes=(1, 2), norm="ortho")
        found = to_numpy(result)[..., 3 * band : 3 * band + 3]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_masks_begin_small():
    masks = to_numpy(layer(3, 64).masks)
    assert masks.mean() == pytest.approx(0, abs=5e-3)
    assert masks.std() == pytest.approx(0.1, abs=5e-3)


@pytest.mark.parametrize("shape", [(8, 9, 3), (None, None, 3), (8, 8, None), (8, 8)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected square images"):
        FAD().build((None, *shape))


@pytest.mark.parametrize("bands", [0, 2, 5])
def test_refuses_bands(bands):
    with pytest.raises(ValueError, match="`bands` must be 3 or 4"):
        FAD(bands)
