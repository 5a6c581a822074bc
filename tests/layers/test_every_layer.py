"""What holds for each layer alike: training, saving, independence of the batch, extreme inputs."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from backend import gradients, to_numpy
from keras import ops

from lrl_keras import layers

# Name -> layer, number of inputs, shape of one input. Odd sizes, which k = 5 does not divide.
CASES = {
    "frequency": (lambda: layers.FrequencyFilter(), 1, (17, 32, 3)),
    "rfam": (lambda: layers.RFAM(), 2, (9, 8, 4)),
    "similarity": (lambda: layers.PatchSimilarity(5), 1, (13, 8, 4)),
    "resize": (lambda: layers.BilinearResize(10, 5), 1, (17, 8, 4)),
    "constrained": (lambda: layers.ConstrainedConv2D(3), 1, (17, 8, 2)),
    "statistics": (lambda: layers.MapStatistics(), 1, (17, 8, 4)),
    "co_occurrence": (lambda: layers.CoOccurrence(), 1, (13, 20, 3)),
    "soft_co_occurrence": (lambda: layers.SoftCoOccurrence(), 1, (13, 20, 3)),
    "laplacian": (lambda: layers.LaplacianOfGaussian(3), 1, (17, 8, 4)),
    "fad": (lambda: layers.FAD(), 1, (17, 17, 3)),
    "lfs": (lambda: layers.LFS(), 1, (17, 32, 3)),
    "mix_block": (lambda: layers.MixBlock(), 2, (9, 9, 4)),
}
# Those that take images, float32 under every policy.
PIXELS = ("frequency", "co_occurrence", "soft_co_occurrence")
EXTREMES = {
    "zeros": lambda shape: np.zeros(shape),
    "ones": lambda shape: np.ones(shape),
    "saturated": lambda shape: np.full(shape, 255.0),
    "negative": lambda shape: np.full(shape, -255.0),
    # The largest number of float16.
    "one_huge": lambda shape: np.where(np.arange(np.prod(shape)) == 7, 65504.0, 0).reshape(shape),
    "tiny": lambda shape: np.full(shape, 1e-7),
    "one_silent_row": lambda shape: np.broadcast_to(np.arange(shape[0])[:, None, None] > 0, shape),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def inputs(case, batch):
    _, count, shape = case
    rng = np.random.default_rng(batch)
    return [rng.uniform(0, 255, (batch, *shape)).astype("float32") for _ in range(count)]


def call(layer, values, **kwargs):
    """The layer's outputs as a list."""
    result = layer(values if len(values) > 1 else values[0], **kwargs)
    return list(result) if isinstance(result, (list, tuple)) else [result]


def network():
    """All layers in a row, between a picture and a score."""
    images = keras.Input((17, 32, 3))
    high = layers.FrequencyFilter()(images)
    rgb, high = (
        keras.layers.Conv2D(4, 3, strides=2)(keras.layers.Rescaling(1 / 255)(stream))
        for stream in (images, high)
    )
    fused, rgb, high = layers.RFAM()([rgb, high])
    fused = keras.layers.Concatenate()([fused, layers.RFAM(attend_streams=False)([rgb, high])])
    similarity = layers.PatchSimilarity(5)(layers.BilinearResize(13, 9)(fused))
    flat = keras.layers.Flatten(dtype="float32")(similarity)
    return keras.Model(images, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(flat))


def test_fits_from_tf_data_and_reloads(policy, tmp_path):
    model = network()
    images, labels = inputs(CASES["frequency"], 4)[0], np.array([[0], [1], [1], [0]], "float32")
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    before = [to_numpy(variable) for variable in model.trainable_variables]
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    history = model.fit(dataset, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert all(np.isfinite(to_numpy(variable)).all() for variable in model.variables)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert np.any(to_numpy(variable) != value), variable.path

    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    for mine, theirs in zip(model.layers, reloaded.layers, strict=True):
        assert type(mine) is type(theirs)
        assert mine.dtype_policy == theirs.dtype_policy
    expected = model.predict(dataset, verbose=0)
    np.testing.assert_array_equal(reloaded.predict(dataset, verbose=0), expected)


def test_one_image_is_a_row_of_many(case, policy):
    layer = case[0]()
    many = inputs(case, 2)
    together = call(layer, many)
    alone = call(layer, [value[1:] for value in many])
    for one, row in zip(alone, together, strict=True):
        largest = np.abs(to_numpy(row)).max()
        np.testing.assert_allclose(to_numpy(one)[0], to_numpy(row)[1], atol=1e-5 * largest)


def test_symbolic_outputs_are_the_real_ones(case, policy):
    make, count, shape = case
    symbolic = call(make(), [keras.Input(shape) for _ in range(count)])
    for spec, value in zip(symbolic, call(make(), inputs(case, 2)), strict=True):
        assert spec.shape == (None, *value.shape[1:])
        assert spec.dtype == keras.backend.standardize_dtype(value.dtype)


def test_config_makes_the_same_layer(case):
    layer = case[0]()
    values = inputs(case, 2)
    expected = call(layer, values)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    call(copy, values)
    copy.set_weights(layer.get_weights())
    for one, other in zip(call(copy, values), expected, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, {}) for name in CASES),
        *((name, {"training": True}) for name in ("rfam", "mix_block")),
    ],
)
def test_extremes_stay_finite(policy, name, arguments, extreme):
    make, count, shape = CASES[name]
    layer = make()
    images = np.stack([EXTREMES[extreme](shape)] * 2).astype("float32")
    values = [images if name in PIXELS else ops.cast(images, layer.compute_dtype)]
    if count == 2:
        # Both streams at 65504 sum to more than float16 has.
        values.append(values[0] * 0 if extreme == "one_huge" else values[0])
    outputs = call(layer, values, **arguments)
    assert all(np.isfinite(to_numpy(output)).all() for output in outputs)

    largest = max(1.0, float(np.abs(images).max()))

    def loss(*values):
        # Of the order of 1; weighted, so that no gradient vanishes by symmetry.
        return sum(
            ops.mean(
                ops.cast(output, "float32") / largest * ops.linspace(0.0, 1.0, output.shape[-1])
            )
            for output in call(layer, list(values), **arguments)
        )

    found = gradients(loss, values, layer.trainable_variables)
    assert all(np.isfinite(gradient).all() for part in found for gradient in part)
