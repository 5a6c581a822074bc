import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from scipy.special import expit, softmax

from lrl_keras.layers import MixBlock

# The numbers of PyTorch code; the file says which.
REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures/baselines_f3_net.json").read_text())
STREAMS = ("FAD", "LFS")


def formula(name, *shape):
    """A weight of the reference, in PyTorch's order of axes."""
    return (0.3 * np.sin(0.7 * np.arange(np.prod(shape)) + len(name))).reshape(shape)


def test_equals_the_repository():
    channels, side = 4, 5
    block = MixBlock()
    block.build([(None, side, side, channels)] * 2)
    for index, stream in enumerate(STREAMS):
        parts = [f"{stream}_query", f"{stream}_key"]
        kernels = [formula(f"{part}.weight", channels, channels).T for part in parts]
        biases = [formula(f"{part}.bias", channels) for part in parts]
        block.projections[index].set_weights([np.hstack(kernels), np.hstack(biases)])
        kernel = formula(f"{stream}_conv.weight", 1, 1, channels, 1)
        bias = formula(f"{stream}_conv.bias", channels)
        block.convolutions[index].set_weights([kernel, bias])
        block.gammas[index].assign([0.8, -0.6][index])
    k = np.arange(channels * side * side)
    maps = [
        value.reshape(1, channels, side, side).transpose(0, 2, 3, 1).astype("float32")
        for value in (np.sin(0.37 * k), np.cos(0.23 * k))
    ]
    expected = REFERENCE["mix_block"]
    for name, result in zip(("fad", "lfs"), block(maps), strict=True):
        result = to_numpy(result).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(result.ravel()[:10], expected[f"{name}_first_10"], atol=1e-5)
        assert result.sum() == pytest.approx(expected[f"{name}_sum"], abs=1e-4)


@pytest.mark.parametrize(("channels", "side"), [(728, 19), (1024, 10)])
def test_number_of_parameters(channels, side):
    block = MixBlock()
    block.build([(None, side, side, channels)] * 2)
    found = sum(int(np.prod(weight.shape)) for weight in block.trainable_weights)
    assert found == REFERENCE["trainable"][f"mix_block_{channels}"]


def randomised(side=6, channels=3):
    block = MixBlock()
    block.build([(None, side, side, channels)] * 2)
    rng = np.random.default_rng(1)
    for weight in block.weights:
        low = 0.5 if "variance" in weight.path or "norm/gamma" in weight.path else -0.5
        weight.assign(rng.uniform(low, low + 1, weight.shape))
    return block, [rng.normal(size=(2, side, side, channels)).astype("float32") for _ in range(2)]


def by_loops(block, maps):
    """Channel by channel in float64."""
    weights = [[to_numpy(w) for w in layer.weights] for layer in block.projections]
    energy = 0
    for stream, (kernel, bias) in zip(maps, weights, strict=True):
        both = stream.astype("float64") @ kernel + bias
        count = stream.shape[-1]
        energy += np.stack(
            [both[..., c] @ both[..., count + c].swapaxes(1, 2) for c in range(count)], axis=-1
        )
    attention = softmax(energy, axis=2)
    results = []
    for index, (convolution, norm) in enumerate(zip(block.convolutions, block.norms, strict=True)):
        strength = 2 * expit(to_numpy(block.gammas[1 - index])) - 1
        kernel, bias = (to_numpy(w) for w in convolution.weights)
        gamma, beta, mean, variance = (to_numpy(w) for w in norm.weights)
        selected = maps[1 - index] * attention * strength * kernel.reshape(-1) + bias
        selected = (selected - mean) / np.sqrt(variance + 1e-5) * gamma + beta
        results.append(maps[index] + selected)
    return results


def test_equals_products_channel_by_channel(policy):
    block, maps = randomised()
    maps = [ops.cast(value, block.compute_dtype) for value in maps]
    tolerance = {"float32": 1e-5, "mixed_float16": 2e-2, "mixed_bfloat16": 0.2}[policy]
    expected = by_loops(block, [to_numpy(value) for value in maps])
    for result, value in zip(block(maps), expected, strict=True):
        assert keras.backend.standardize_dtype(result.dtype) == block.compute_dtype
        np.testing.assert_allclose(to_numpy(result), value, atol=tolerance)


def test_nothing_is_exchanged_at_first():
    _, maps = randomised()
    for training in (False, True):
        for result, value in zip(MixBlock()(maps, training=training), maps, strict=True):
            np.testing.assert_allclose(to_numpy(result), value, atol=1e-5)


def test_gradients_reach_every_weight():
    block, maps = randomised()
    # In training the norm would take the biases before it away.
    _, found = gradients(
        lambda *maps: sum(ops.square(result) for result in block(list(maps))),
        maps, block.trainable_variables,
    )  # fmt: skip
    assert len(found) == 14
    for gradient, variable in zip(found, block.trainable_variables, strict=True):
        assert np.abs(gradient).max() > 1e-4, variable.path


@pytest.mark.parametrize(
    "shapes", [[(8, 8, 4), (8, 8, 5)], [(8, 7, 4)] * 2, [(8, 8, 4)] * 3, [(8, 8, None)] * 2]
)
def test_refuses_shapes(shapes):
    with pytest.raises(ValueError, match="Expected two maps"):
        MixBlock()([keras.Input(shape) for shape in shapes])
