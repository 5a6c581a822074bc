import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import to_numpy
from keras import ops

from lrl_keras.errors import InputError
from lrl_keras.losses import IsolateLoss
from lrl_keras.models import build

TF = pytest.mark.tensorflow
FIXTURE = Path(__file__).parents[1] / "fixtures" / "baselines_two_branch.json"
REFERENCE = json.loads(FIXTURE.read_text("utf-8"))


def tiny(seed=1, **arguments):
    keras.utils.set_random_seed(seed)
    small = {"image_size": 32, "frames": 3, "growth": 4, "depth": 1, "units": 4}
    return build("two_branch", **{**small, **arguments})


def sequences(count, size=32, frames=3, seed=0):
    shape = (count, frames, size, size, 3)
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def embeddings(model, images):
    return to_numpy(keras.Model(model.input, model.get_layer("label").input)(images))


def batches(model, images, labels):
    """As `lrl_keras.data.load` gives them."""
    for at in range(0, len(images), 2):
        yield images[at : at + 2], {"label": np.array(labels[at : at + 2])[:, None]}, {}


def trainable(layers):
    return sum(int(np.prod(v.shape)) for layer in layers for v in layer.trainable_variables)


@pytest.mark.slow
def test_parameters_and_shapes_are_those_of_the_paper():
    model = build("two_branch")
    expected = REFERENCE["parameters"]
    layers = {layer.name: layer for layer in model.layers}
    assert trainable([model]) == expected["all"]
    branch = expected["rgb_stem"] + expected["block_and_transition"]
    assert trainable([layers["rgb"]]) == branch
    assert trainable([layers["log_stem"], layers["log_block"]]) == branch
    assert trainable([layers["log_filter"]]) == expected["log"]
    assert trainable([layers["fusion_0"], layers["fusion_1"]]) == expected["fusion"]
    assert trainable([layers["trunk"]]) == expected["rest_of_densenet"]
    assert trainable([layers["embedding"]]) == expected["lstm"]
    assert layers["embedding"].output.shape == (None, 256)
    shapes = {"log_stem": "stem", "rgb": "transition", "log_block": "transition", "trunk": "end"}
    for name, known in shapes.items():
        channels, height, width = REFERENCE["shapes_224"][known]
        assert layers[name].output.shape == (None, height, width, channels)


def test_its_only_output_is_the_label(policy):
    model = tiny()
    outputs = model(sequences(3))
    assert set(outputs) == {"label"}
    label = outputs["label"]
    assert tuple(label.shape) == (3, 1)
    assert keras.backend.standardize_dtype(label.dtype) == "float32"
    values = to_numpy(label)
    assert ((values > 0) & (values < 1)).all()
    single = to_numpy(model(sequences(3)[2:])["label"])
    np.testing.assert_allclose(single, values[2:], atol=1e-5 if policy == "float32" else 1e-2)


def test_the_order_of_the_frames_counts():
    model, images = tiny(), sequences(1)
    there, back = embeddings(model, images), embeddings(model, images[:, ::-1])
    assert np.abs(there - back).max() > 1e-6


def test_config_makes_the_same_network():
    model = tiny(dropout=0.1, r_real=0.1, r_fake=2.0, crop_margin=1.5, crop_size=48)
    config = json.loads(json.dumps(model.get_config()))
    copy = type(model).from_config(config)
    assert copy.get_config() == model.get_config()
    copy.set_weights(model.get_weights())
    images = sequences(2)
    np.testing.assert_array_equal(to_numpy(copy(images)["label"]), to_numpy(model(images)["label"]))
    loss = model.objectives()[0]["label"]
    assert isinstance(loss, IsolateLoss)
    assert (loss.r_real, loss.r_fake) == (0.1, 2.0)


def test_the_centre_is_the_mean_of_real_embeddings():
    model, images = tiny(), sequences(5)
    found = embeddings(model, images)
    model.adapt(batches(model, images, [0, 1, 0, 0, 1]))
    centre = to_numpy(model.get_layer("label").centre)
    np.testing.assert_allclose(centre, found[[0, 2, 3]].mean(axis=0), atol=1e-6)
    before = to_numpy(model(images)["label"])
    distances = np.linalg.norm(found - centre, axis=1)
    expected = 1 / (1 + np.exp(-4 * (distances - 0.84) / 1.596))
    np.testing.assert_allclose(before[:, 0], expected, atol=1e-5)
    with pytest.raises(ValueError, match="real sequences"):
        model.adapt(batches(model, images, [1, 1, 1, 1, 1]))


@pytest.mark.slow
def test_training_leaves_the_centre_and_steps_by_the_block():
    model, images = tiny(dropout=0.0), sequences(4)
    labels = np.array([[0.0], [1], [0], [1]], "float32")
    model.adapt(batches(model, images, labels[:, 0]))
    centre = to_numpy(model.get_layer("label").centre)
    model.compile()
    before = {variable.path: to_numpy(variable) for variable in model.trainable_variables}
    model.fit(images, {"label": labels}, batch_size=4, epochs=1, verbose=0)
    np.testing.assert_array_equal(to_numpy(model.get_layer("label").centre), centre)
    factors = {
        "rgb_": 1 / 16, "log_conv1_": 1 / 16, "log_conv2_": 1, "log_pool2_": 1, "log_filter": 1,
        "fusion_": 1, "conv3_": 1 / 8, "pool3_": 1 / 8, "conv4_": 1 / 4, "pool4_": 1 / 4,
        "conv5_": 1 / 2, "bn/": 1 / 2, "embedding/": 1,
    }  # fmt: skip
    for variable in model.trainable_variables:
        ((name, factor),) = [
            (name, factor) for name, factor in factors.items() if variable.path.startswith(name)
        ]
        # A first step of Adam is as long as the rate where there is a gradient.
        step = np.abs(to_numpy(variable) - before[variable.path]).max()
        assert step <= 2e-4 * factor * 1.01, variable.path
        assert name == "bn/" or step >= 2e-4 * factor * 0.5, variable.path


@TF
@pytest.mark.slow
def test_weights_are_those_of_keras_densenet(tmp_path):
    keras.utils.set_random_seed(3)
    whole = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(64, 64, 3))
    whole.set_weights(
        [np.random.default_rng(5).uniform(0.01, 0.05, w.shape) for w in whole.get_weights()]
    )
    whole.save_weights(tmp_path / "densenet.weights.h5")
    model = build("two_branch", image_size=64, frames=2, weights=tmp_path / "densenet.weights.h5")
    images = sequences(1, 64, 1)[0]
    pixels = keras.applications.densenet.preprocess_input(images.copy())
    expected = keras.Model(whole.input, whole.get_layer("pool2_pool").output)(pixels)
    layers = {layer.name: layer for layer in model.layers}
    scaled = layers["rgb_scale"](images)
    for found in (
        layers["rgb"](scaled),
        layers["log_block"](layers["log_stem"](scaled)),
    ):
        np.testing.assert_allclose(to_numpy(found), to_numpy(expected), rtol=1e-4)
    end = keras.Model(whole.get_layer("conv3_block1_0_bn").input, whole.output)(expected)
    np.testing.assert_allclose(to_numpy(layers["trunk"](expected)), to_numpy(end), rtol=1e-4)


def test_dropout_changes_training_alone():
    model, images = tiny(dropout=0.5), sequences(2)
    assert not np.array_equal(*(to_numpy(model(images, training=True)["label"]) for _ in range(2)))
    np.testing.assert_array_equal(*(to_numpy(model(images)["label"]) for _ in range(2)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 1}, "`frames` must be an integer from 2 to 1000. Received: frames=1"),
        ({"growth": 3}, "`growth` must be an integer from 4 to 512. Received: growth=3"),
        ({"depth": 0}, "`depth` must be an integer from 1 to 96. Received: depth=0"),
        ({"units": 1}, "`units` must be an integer from 2 to 4096. Received: units=1"),
        ({"dropout": 1.0}, "`dropout` must be in [0, 1). Received: dropout=1.0"),
        ({"r_real": 2.0}, "Received: r_real=2.0, r_fake=1.638"),
        ({"weights": "imagenet"}, "fit growth=32 and depth=24 alone"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tiny(**arguments)


def test_a_weights_file_that_is_not_there():
    with pytest.raises(InputError, match="no such weights file; use weights=None"):
        build("two_branch", weights="missing.h5")


def test_the_last_step_of_the_lstm_each_way_is_the_embedding():
    """An LSTM by hand: its outputs at the last frame forwards, at the first one backwards."""
    model, images = tiny(), sequences(2)
    pooled = keras.Model(model.input, model.get_layer("embedding").input)(images)
    pooled = to_numpy(ops.convert_to_numpy(pooled)).astype(np.float64)
    found = []
    for layer, order in (("forward_layer", 1), ("backward_layer", -1)):
        kernel, recurrent, bias = getattr(model.get_layer("embedding"), layer).get_weights()
        state = memory = np.zeros((2, 4))
        for frame in pooled.transpose(1, 0, 2)[::order]:
            gates = frame @ kernel + state @ recurrent + bias
            take, keep, value, give = np.split(gates, 4, axis=1)
            memory = memory / (1 + np.exp(-keep)) + np.tanh(value) / (1 + np.exp(-take))
            state = np.tanh(memory) / (1 + np.exp(-give))
        found.append(state)
    np.testing.assert_allclose(np.concatenate(found, 1), embeddings(model, images), atol=1e-5)
