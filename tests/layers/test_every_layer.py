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
    "rfam_fused": (lambda: layers.RFAM(attend_streams=False), 2, (9, 8, 4)),
    "similarity": (lambda: layers.PatchSimilarity(5), 1, (13, 8, 4)),
    "resize": (lambda: layers.BilinearResize(10, 5), 1, (17, 8, 4)),
}
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


def network(case):
    """The layer between an input and one number."""
    make, count, shape = case
    images = [keras.Input(shape) for _ in range(count)]
    outputs = call(make(), images)
    flat = [keras.layers.Flatten(dtype="float32")(output) for output in outputs]
    joined = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    scaled = keras.layers.Rescaling(1 / 255, dtype="float32")(joined)
    score = keras.layers.Dense(1, activation="sigmoid", dtype="float32")(scaled)
    return keras.Model(images, score)


def test_fits_from_tf_data_and_reloads(case, policy, tmp_path):
    model = network(case)
    values, labels = inputs(case, 5), np.array([0, 1, 1, 0, 1], "float32")
    images = tuple(values) if len(values) > 1 else values[0]
    # Batches of 2, 2 and 1.
    dataset = tf.data.Dataset.from_tensor_slices((images, labels[:, None])).batch(2)
    model.compile("sgd", "binary_crossentropy")
    history = model.fit(dataset, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert all(np.isfinite(to_numpy(variable)).all() for variable in model.variables)

    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    for mine, theirs in zip(model.layers, reloaded.layers, strict=True):
        assert type(mine) is type(theirs)
        assert mine.dtype_policy == theirs.dtype_policy
    expected = model.predict(dataset, verbose=0)
    np.testing.assert_array_equal(reloaded.predict(dataset, verbose=0), expected)


def test_one_image_is_a_row_of_many(case, policy):
    layer = case[0]()
    many = inputs(case, 4)
    together = call(layer, many)
    alone = call(layer, [value[2:3] for value in many])
    for one, row in zip(alone, together, strict=True):
        largest = np.abs(to_numpy(row)).max()
        np.testing.assert_allclose(to_numpy(one)[0], to_numpy(row)[2], atol=1e-5 * largest)


def test_symbolic_outputs_are_the_real_ones(case, policy):
    make, count, shape = case
    symbolic = call(make(), [keras.Input(shape) for _ in range(count)])
    for spec, value in zip(symbolic, call(make(), inputs(case, 3)), strict=True):
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
@pytest.mark.parametrize("training", [False, True])
def test_extremes_stay_finite(case, policy, extreme, training):
    make, count, shape = case
    layer = make()
    arguments = {"training": training} if isinstance(layer, layers.RFAM) else {}
    images = np.stack([EXTREMES[extreme](shape)] * 2).astype("float32")
    values = [ops.cast(images, layer.compute_dtype)]
    if isinstance(layer, layers.FrequencyFilter):
        values = [images]
    if count == 2:
        # Both streams at 65504 sum to more than float16 has.
        values.append(values[0] * 0 if extreme == "one_huge" else values[0])
    outputs = call(layer, values, **arguments)
    assert all(np.isfinite(to_numpy(output)).all() for output in outputs)

    def total(*values):
        # A weighted sum, so that no gradient vanishes by symmetry.
        return sum(
            ops.sum(ops.cast(output, "float32") * np.linspace(0, 1, output.shape[-1]))
            for output in call(layer, list(values), **arguments)
        )

    found = gradients(total, values, layer.trainable_variables)
    assert all(np.isfinite(gradient).all() for part in found for gradient in part)
