"""Batch normalisation in one operation, against NumPy in float64 and against Keras's own."""

import functools

import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from networks import dataset, tiny

from lrl_keras.training import trainer
from lrl_keras.training.cpu import fused_norm
from lrl_keras.training.trainer import Settings

pytestmark = pytest.mark.tensorflow

EPSILON, MOMENTUM = 1e-3, 0.9


def norm(shape, **kwargs):
    """A model of one layer, the layer, and that layer's scale and shift."""
    rng = np.random.default_rng(1)
    layer = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, **kwargs)
    model = keras.Sequential([keras.Input(shape), layer])
    for variable in layer.weights:
        variable.assign(rng.uniform(0.5, 2, variable.shape))
    return model, layer


def is_fused(layer):
    return isinstance(layer.call, functools.partial)


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (4, 1, 1, 2), (1, 1, 1, 3)])
@pytest.mark.parametrize("offset", [0, 50])
def test_training_step_is_what_the_formula_says(shape, offset):
    model, layer = norm(shape[1:])
    fused_norm.fuse(model)
    assert is_fused(layer)
    rng = np.random.default_rng(2)
    x = rng.normal(offset, 3, shape).astype("float32")
    upstream = rng.normal(size=shape).astype("float32")
    gamma, beta, moving_mean, moving_variance = (w.astype("float64") for w in model.get_weights())
    (found_x,), (found_gamma, found_beta) = gradients(
        lambda x: layer(x, training=True) * upstream, [x], layer.trainable_weights
    )

    wide = x.astype("float64")
    mean, variance = wide.mean((0, 1, 2)), wide.var((0, 1, 2))
    unit = (wide - mean) / np.sqrt(variance + EPSILON)
    inner = upstream * gamma
    expected_x = inner - inner.mean((0, 1, 2)) - unit * (inner * unit).mean((0, 1, 2))
    expected_x /= np.sqrt(variance + EPSILON)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    close(found_x, expected_x)
    close(found_gamma, (upstream * unit).sum((0, 1, 2)))
    close(found_beta, upstream.sum((0, 1, 2)))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    close(to_numpy(layer.moving_mean), moving_mean * MOMENTUM + mean * (1 - MOMENTUM))
    close(to_numpy(layer.moving_variance), moving_variance * MOMENTUM + variance * (1 - MOMENTUM))
    close(to_numpy(layer(x, training=True)), unit * gamma + beta, rtol=1e-4, atol=1e-4)


def test_like_keras_under_every_policy(policy):
    x = np.random.default_rng(0).normal(2, 3, (4, 6, 6, 5)).astype("float32")
    found = []
    for prepare in (fused_norm.fuse, lambda model: None):
        model, layer = norm(x.shape[1:])
        prepare(model)
        outputs = model(x, training=True)
        assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
        found.append([to_numpy(outputs), *map(to_numpy, layer.weights)])
    tolerance = {"float32": 1e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}[policy]
    for mine, keras_own in zip(*found, strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=tolerance, atol=tolerance)


def test_inference_and_frozen_layers_stay_as_they_are():
    model, layer = norm((4, 4, 3))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    expected = to_numpy(model(x, training=False))
    fused_norm.fuse(model)
    np.testing.assert_array_equal(to_numpy(model(x, training=False)), expected)
    layer.trainable = False
    before = model.get_weights()
    np.testing.assert_array_equal(to_numpy(model(x, training=True)), expected)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("shape", "kwargs"),
    [((4, 4, 3), {"axis": 1}), ((3,), {}), ((4, 4, 3), {"scale": False})],
)
def test_what_it_is_not_made_for_is_left_to_keras(shape, kwargs):
    model, layer = norm(shape, **kwargs)
    fused_norm.fuse(model)
    assert not is_fused(layer)


def test_configuration_stays_kerass():
    model, layer = norm((4, 4, 3))
    before = keras.saving.serialize_keras_object(model)
    fused_norm.fuse(model)
    assert type(layer) is keras.layers.BatchNormalization
    assert keras.saving.serialize_keras_object(model) == before


@pytest.mark.long
def test_training_takes_it_everywhere_and_learns_alike(monkeypatch):
    weights = []
    for fused in (True, False):
        model = tiny(patches=2)
        with monkeypatch.context() as patch:
            if not fused:
                patch.setattr(fused_norm, "fuse", lambda model: None)
            trainer.compile(model, Settings(patches=2))
        model.run_eagerly = True  # To trace each of them takes half a minute.
        norms = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        assert len(norms) > 10
        assert all(is_fused(layer) == fused for layer in norms)
        # One step: Adam's first is the sign of the gradient, so rounding moves weights whose
        # gradient is nearly 0; the statistics, which are compared, do not follow from those.
        history = model.fit(dataset(8, 64), epochs=1, verbose=0).history
        # A list: paths are not unique, the streams have theirs alike.
        statistics = [(w.path, to_numpy(w)) for w in model.non_trainable_weights]
        weights.append((history["loss"], statistics))
    (loss, mine), (expected_loss, expected) = weights
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for (path, found), (expected_path, value) in zip(mine, expected, strict=True):
        assert path == expected_path
        if "seed" not in path:
            np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5, err_msg=path)
