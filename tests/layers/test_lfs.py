import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import to_numpy
from PIL import Image
from scipy import fft
from skimage import data
from test_fad import formula

from lrl_keras.layers import LFS

# The numbers of PyTorch code; the file says which.
REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures/baselines_f3_net.json").read_text())


def built(shape, masks=None, **arguments):
    result = LFS(**arguments)
    result.build((None, *shape))
    if masks is not None:
        result.masks.assign(np.broadcast_to(masks, result.masks.shape))
    return result


@pytest.mark.parametrize(
    ("name", "arguments", "tolerance"),
    [
        # The reference itself is 1.2e-4 from float64 in one weak band.
        ("repository_122.5", {"log_of_sum": False, "scale": 122.5}, 2e-4),
        ("paper_122.5", {"scale": 122.5}, 1e-4),
        ("paper_127.5", {}, 1e-4),
    ],
)
def test_equals_the_repository(name, arguments, tolerance):
    expected = REFERENCE["lfs"][name]
    result = to_numpy(built((299, 299, 3), masks=0.0, **arguments)(formula()))[0]
    assert result.shape == (149, 149, 6)
    rows, columns = np.transpose(REFERENCE["lfs"]["positions"])
    found = result[rows, columns]
    np.testing.assert_allclose(found, expected["at_positions"], rtol=tolerance, atol=1e-5)
    np.testing.assert_allclose(result.mean(axis=(0, 1)), expected["mean"], rtol=1e-4, atol=1e-5)


def test_sizes_of_the_bands():
    # One window, all of whose coefficients are 1.
    image = fft.idctn(np.ones((10, 10)), norm="ortho") / 127.5 - 1
    lfs = built((10, 10, 1), masks=0.0, stride=10)
    result = 10 ** to_numpy(lfs(image[None, :, :, None].astype("float32")))
    np.testing.assert_allclose(result.ravel(), REFERENCE["lfs"]["ones"], rtol=1e-3)


def by_scipy(lfs, image):
    """The statistics of one RGB image of 0..255 in float64, window by window."""
    gray = image @ np.array([0.299, 0.587, 0.114])
    around = (lfs.window - lfs.stride) // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(gray, around), (lfs.window,) * 2)
    windows = windows[:: lfs.stride, :: lfs.stride]
    magnitudes = np.abs(fft.dctn(windows, axes=(2, 3), norm="ortho"))
    i, j = np.ogrid[: lfs.window, : lfs.window]
    maps = []
    for band, learnt in enumerate(np.tanh(to_numpy(lfs.masks).astype("float64") / 2)):
        position = (i + j) * lfs.bands / (2 * lfs.window)
        inside = (position >= band) & (position <= band + 1)
        if lfs.log_of_sum:
            summed = np.abs(magnitudes * (inside + learnt)).sum(axis=(2, 3))
            maps.append(np.log10(summed + 1e-15))
        else:
            logs = np.log10(magnitudes + 1e-15) * (inside + learnt)
            maps.append(logs.sum(axis=(2, 3)) / inside.sum())
    return np.stack(maps, axis=-1)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"log_of_sum": False}, {"bands": 4, "window": 8, "stride": 4}, {"bands": 1, "stride": 10}],
)
def test_equals_scipy_under_every_policy(policy, arguments):
    picture = data.astronaut()[40:105, 200:280]
    lfs = LFS(**arguments)
    result = lfs((picture / 127.5 - 1)[None].astype("float32"))
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    expected = by_scipy(lfs, picture)
    # The mean of logarithms knows no coefficient to more digits than float32 rounds it to.
    tolerance = 1e-4 if lfs.log_of_sum else 1e-2
    np.testing.assert_allclose(to_numpy(result)[0], expected, rtol=1e-4, atol=tolerance)


def test_gray_is_that_of_pillow():
    picture = data.astronaut()[:32, 200:232]
    gray = np.array(Image.fromarray(picture).convert("L"))
    lfs = built((32, 32, 3), masks=0.0)
    colours, alone = (
        to_numpy(lfs((value / 127.5 - 1)[None].astype("float32")))
        for value in (picture, np.repeat(gray[..., None], 3, axis=-1))
    )
    # Pillow rounds to whole levels, which tells in weak bands alone.
    np.testing.assert_allclose(colours[..., 0], alone[..., 0], atol=2e-3)


def test_black_has_the_least_value():
    lfs = built((24, 24, 3))
    np.testing.assert_allclose(to_numpy(lfs(np.full((1, 24, 24, 3), -1.0, "float32"))), -15)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"stride": 0}, "stride"), ({"stride": 11}, "stride"), ({"stride": 3}, "stride"),
        ({"bands": 0}, "bands"), ({"bands": 11}, "bands"),
    ],
)  # fmt: skip
def test_refuses_arguments(arguments, named):
    with pytest.raises(ValueError, match=f"`{named}` must be"):
        LFS(**arguments)


@pytest.mark.parametrize("shape", [(8, 8, 4), (None, 8, 3), (8, 1, 3), (8, 8)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected images"):
        LFS().build((None, *shape))
