import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops

from lrl_keras.layers import MapStatistics


def reference(maps):
    """(B, 4 C) in NumPy, the four of a channel side by side."""
    flat = maps.astype("float64").reshape(maps.shape[0], -1, maps.shape[-1])
    four = (flat.mean(1), flat.min(1), flat.max(1), flat.var(1))
    return np.concatenate([each[..., None] for each in four], axis=-1).reshape(len(maps), -1)


def test_statistics_of_each_map():
    maps = np.random.default_rng(0).normal(3, 2, (2, 7, 5, 3)).astype("float32")
    np.testing.assert_allclose(to_numpy(MapStatistics()(maps)), reference(maps), rtol=1e-5)


def test_a_small_variance_beside_a_large_mean():
    maps = (1000 + np.random.default_rng(0).uniform(0, 0.1, (1, 16, 16, 1))).astype("float32")
    np.testing.assert_allclose(to_numpy(MapStatistics()(maps)), reference(maps), rtol=1e-5)


def test_gradients_are_those_of_the_definitions():
    maps = np.random.default_rng(0).normal(size=(2, 4, 3, 2)).astype("float32")
    weights = np.random.default_rng(1).normal(size=(2, 8)).astype("float32")
    layer = MapStatistics()
    ((found,), _) = gradients(lambda x: ops.sum(layer(x) * weights), [maps])
    flat = maps.reshape(2, 12, 2)
    mean, least, most, variance = np.moveaxis(weights.reshape(2, 2, 4), -1, 0)[:, :, None]
    expected = (
        mean / 12
        + least * (flat == flat.min(1, keepdims=True))
        + most * (flat == flat.max(1, keepdims=True))
        + variance * 2 * (flat - flat.mean(1, keepdims=True)) / 12
    )
    np.testing.assert_allclose(found.reshape(2, 12, 2), expected, atol=1e-5)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="Expected maps of shape"):
        MapStatistics()(keras.Input((7, 3)))
