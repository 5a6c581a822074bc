import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from scipy.signal import correlate
from scipy.special import expit

from lrl_keras.layers import RFAM

# Unit roundoff of the half-precision types.
ROUNDOFF = {"mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}


def streams(height, width, batch=2, channels=4):
    rng = np.random.default_rng(height * width + batch)
    return [rng.normal(size=(batch, height, width, channels)).astype("float32") for _ in range(2)]


def randomised(layer, channels=4):
    """The layer, built, every weight random and of a size that a trained one could have."""
    layer.build([(None, 8, 8, channels)] * 2)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(rng.uniform(low, low + 1, weight.shape))
    return layer


def reference(layer, rgb, frequency, statistics=None):
    """Eq. (4)-(6) in float64, the 3x3 convolution by SciPy, weights as the layer computes with.

    `statistics`: (mean, variance) per channel of the normalisation; the layer's own by default.
    """
    kernels = {
        weight.path.partition("/")[2]: to_numpy(ops.cast(weight, layer.compute_dtype))
        for weight in (layer.fuse.kernel, layer.attend.kernel, layer.attend.bias)
    }
    fuse, attend, bias = (value.astype("float64") for value in kernels.values())
    norm = layer.norm
    gamma, beta, mean, variance = (
        to_numpy(w) for w in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    joined = np.concatenate([rgb, frequency], axis=-1).astype("float64") @ fuse[0, 0]
    if statistics == "batch":
        mean, variance = joined.mean(axis=(0, 1, 2)), joined.var(axis=(0, 1, 2))
    v = np.maximum((joined - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta, 0)
    padded = np.pad(v, ((0, 0), (1, 1), (1, 1), (0, 0)))
    logits = [
        [correlate(image, attend[..., output], mode="valid")[..., 0] for output in range(2)]
        for image in padded
    ]
    attention = expit(np.moveaxis(np.array(logits), 1, -1) + bias)
    attended = attention[..., :1] * rgb, attention[..., 1:] * frequency
    return attended[0] + attended[1], *attended


@pytest.mark.parametrize(("height", "width"), [(8, 8), (17, 9), (1, 1)])
def test_equals_scipy(height, width):
    layer = randomised(RFAM())
    maps = streams(height, width)
    for result, expected in zip(layer(maps), reference(layer, *maps), strict=True):
        np.testing.assert_allclose(to_numpy(result), expected, atol=1e-5)


def test_every_policy(policy):
    layer = randomised(RFAM())
    maps = [ops.cast(value, layer.compute_dtype) for value in streams(17, 16)]
    results = layer(maps)
    # The attention, its two products and their sum are each rounded once in half precision.
    largest = max(np.abs(to_numpy(value)).max() for value in maps)
    tolerance = 1e-5 if policy == "float32" else 4 * ROUNDOFF[policy] * largest
    expected = reference(layer, *(to_numpy(value) for value in maps))
    for result, value in zip(results, expected, strict=True):
        assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
        np.testing.assert_allclose(to_numpy(result), value, atol=tolerance)


def test_training_uses_and_learns_the_statistics_of_the_batch():
    layer = randomised(RFAM())
    maps = streams(9, 8)
    mean, variance = (to_numpy(w) for w in (layer.norm.moving_mean, layer.norm.moving_variance))
    expected = reference(layer, *maps, statistics="batch")
    for result, value in zip(layer(maps, training=True), expected, strict=True):
        np.testing.assert_allclose(to_numpy(result), value, atol=1e-5)
    fused = np.concatenate(maps, axis=-1).astype("float64") @ to_numpy(layer.fuse.kernel)[0, 0]
    np.testing.assert_allclose(
        to_numpy(layer.norm.moving_mean),
        0.99 * mean + 0.01 * fused.mean(axis=(0, 1, 2)), atol=1e-6,
    )  # fmt: skip
    np.testing.assert_allclose(
        to_numpy(layer.norm.moving_variance),
        0.99 * variance + 0.01 * fused.var(axis=(0, 1, 2)), atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize("training", [None, False])
def test_inference_leaves_the_statistics(training):
    layer = randomised(RFAM())
    before = [to_numpy(weight) for weight in layer.weights]
    layer(streams(8, 8), training=training)
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)


def test_fused_map_alone():
    layer, maps = randomised(RFAM(attend_streams=False)), streams(8, 7)
    np.testing.assert_allclose(to_numpy(layer(maps)), reference(layer, *maps)[0], atol=1e-5)


def test_first_attention_belongs_to_the_first_stream():
    layer, maps = randomised(RFAM()), streams(5, 5)
    layer.attend.kernel.assign(ops.zeros(layer.attend.kernel.shape))
    layer.attend.bias.assign([50.0, -50.0])
    fused, rgb, frequency = (to_numpy(value) for value in layer(maps))
    np.testing.assert_allclose(fused, maps[0], atol=1e-5)
    np.testing.assert_allclose(rgb, maps[0], atol=1e-5)
    np.testing.assert_allclose(frequency, 0, atol=1e-5)


def test_gradients_reach_every_weight():
    layer, maps = randomised(RFAM()), streams(6, 6)
    _, found = gradients(
        lambda *maps: ops.square(layer(list(maps), training=True)[0]),
        maps, layer.trainable_variables,
    )  # fmt: skip
    assert len(found) == 5
    for gradient, variable in zip(found, layer.trainable_variables, strict=True):
        assert np.abs(gradient).max() > 1e-3, variable.path


def test_width_of_equation_4_is_both_streams():
    layer = randomised(RFAM(), channels=6)
    assert layer.fuse.kernel.shape == (1, 1, 12, 12)
    assert layer.attend.kernel.shape == (3, 3, 12, 2)


@pytest.mark.parametrize(
    "shapes",
    [
        [(8, 8, 4), (8, 8, 5)], [(8, 8, 4), (7, 8, 4)], [(8, 8, 4)] * 3,
        [(8, 8, None)] * 2, [(8, 8)] * 2,
    ],
)  # fmt: skip
def test_refuses_shapes(shapes):
    with pytest.raises(ValueError, match="Expected two maps"):
        RFAM()([keras.Input(shape) for shape in shapes])


def test_refuses_one_map():
    with pytest.raises(ValueError, match="Expected two maps"):
        RFAM()(keras.Input((8, 8, 4)))
