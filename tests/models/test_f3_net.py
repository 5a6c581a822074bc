import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import to_numpy
from networks import arrays, assert_close, element, faces, randomise

from lrl_keras.errors import InputError
from lrl_keras.layers import FAD, LFS, MixBlock
from lrl_keras.models.backbones.xception import pretrained, xception_stages
from lrl_keras.models.zoo.f3_net import F3Net

TF = pytest.mark.tensorflow
# The numbers of PyTorch code; the file says which.
REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures/baselines_f3_net.json").read_text())
ABLATIONS = {
    "fad": {"lfs": False},
    "lfs": {"fad": False},
    "both": {"mix": False},
    "mix": {},
    "code": {"bands": 4, "log_of_sum": False},
}
# JAX compiles each operation for each shape, which takes minutes.
EVERY = [
    pytest.param(arguments, id=name, marks=() if name == "mix" else TF)
    for name, arguments in ABLATIONS.items()
]


def small(size=64, **arguments):
    keras.utils.set_random_seed(1)
    return F3Net(**{"image_size": size, "width": 25, **arguments})


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@TF
@pytest.mark.slow
def test_numbers_of_parameters():
    expected = REFERENCE["trainable"]
    # The code's Xceptions have a dense layer each that is not used, of 2,048 weights and a bias.
    unused = 2049
    for name, count in (("fad", 1), ("lfs", 1), ("both", 2)):
        model = F3Net(bands=4, **ABLATIONS[name])
        assert trainable(model) == expected[name] - count * unused
    model = F3Net(bands=4)
    # Two outputs there, one here.
    assert trainable(model) == expected["mix"] - 4097 == 48_314_929
    masks = [layer.masks for layer in model.layers if isinstance(layer, (FAD, LFS))]
    assert sum(int(np.prod(mask.shape)) for mask in masks) == 358_204
    # Without the fourth mask, and what the first convolution had for its three channels.
    assert trainable(F3Net()) == 48_314_929 - 299 * 299 - 3 * 9 * 32


@TF
@pytest.mark.slow
@pytest.mark.parametrize(("channels", "side", "strides"), [(12, 299, 2), (6, 149, 1)])
def test_maps_of_xception(channels, side, strides):
    stages = xception_stages("fad", (side, side, channels), strides)
    # (C, H, W), as there.
    shapes = [np.roll(stage.output.shape[1:], 1).tolist() for stage in stages]
    assert shapes == [REFERENCE["xception"][name] for name in ("block7", "block12", "conv4")]
    assert [stage.name for stage in stages] == ["fad_low", "fad_mid", "fad_high"]
    more = (channels - 3) * 9 * 32
    # Without the two outputs there.
    expected = REFERENCE["xception"]["trainable"] - 2 * 2049 + more
    assert sum(trainable(stage) for stage in stages) == expected


def inner(stages):
    return {
        layer.name: layer
        for layer in itertools.chain.from_iterable(stage.layers for stage in stages)
        if layer.weights
    }


@TF
@pytest.mark.slow
def test_xception_is_that_of_keras():
    keras.utils.set_random_seed(1)
    reference = keras.applications.Xception(
        include_top=False, weights=None, input_shape=(75, 75, 3)
    )
    weights = randomise(reference).get_weights()
    stages = xception_stages("rgb", (75, 75, 3), weights=weights)
    found = expected = faces(2, 75) / 127.5 - 1
    for stage in stages:
        found = stage(found)
    expected = to_numpy(reference(expected))
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5 * np.abs(expected).max())
    named = [layer.name for layer in reference.layers if layer.name.startswith("block")]
    layers = itertools.chain.from_iterable(stage.layers for stage in stages)
    assert {layer.name for layer in layers} >= set(named)


@TF
@pytest.mark.slow
def test_weights_of_a_file(tmp_path):
    keras.utils.set_random_seed(1)
    reference = keras.applications.Xception(include_top=False, weights=None)
    file = tmp_path / "xception_notop.weights.h5"
    randomise(reference).save_weights(file)
    kernel, *others = reference.get_weights()
    for found, expected in zip(pretrained(file), [kernel, *others], strict=True):
        np.testing.assert_array_equal(found, expected)
    model = F3Net(image_size=64, weights=file)
    for stream, count in (("fad", 3), ("lfs", 2)):
        low, *rest = [stage for stage in model.stages if stage.name.startswith(stream)]
        first = to_numpy(low.get_layer("block1_conv1").kernel)
        assert first.shape == (3, 3, 3 * count, 32)
        for part in np.split(first, count, axis=2):
            np.testing.assert_allclose(part, kernel / count, rtol=1e-6)
        layers = inner([low, *rest])
        for name in ("block1_conv2", "block8_sepconv3", "block13_sepconv2_bn", "block14_sepconv2"):
            source = reference.get_layer(name).get_weights()
            for found, expected in zip(layers[name].get_weights(), source, strict=True):
                np.testing.assert_array_equal(found, expected)


def test_weights_that_cannot_be_loaded(tmp_path):
    with pytest.raises(InputError, match="no such weights file"):
        F3Net(image_size=64, weights=tmp_path / "none.h5")


@pytest.mark.parametrize("arguments", EVERY)
def test_its_only_output_is_the_label(arguments):
    model = randomise(small(**arguments))
    images = faces(3, 64)
    outputs = model(images)
    assert set(outputs) == {"label"}
    values = to_numpy(outputs["label"])
    assert values.shape == (3, 1)
    assert ((values > 0) & (values < 1)).all()
    np.testing.assert_allclose(to_numpy(model(images[:1])["label"]), values[:1], atol=1e-5)
    kinds = {type(layer) for layer in model.layers}
    given = {"fad": FAD, "lfs": LFS, "mix": MixBlock}
    assert {name for name, kind in given.items() if kind in kinds} == {
        name for name in given if getattr(model, name)
    }


@TF
def test_every_policy(policy):
    label = small()(faces(2, 64))["label"]
    assert keras.backend.standardize_dtype(label.dtype) == "float32"
    assert np.isfinite(to_numpy(label)).all()


@TF
@pytest.mark.parametrize("size", [48, 59, 96])
def test_other_sizes(size):
    assert small(size)(faces(1, size))["label"].shape == (1, 1)


def test_config_and_weights_make_the_same_model(tmp_path):
    arguments = {"name": "mine", "crop_margin": 1.5, "crop_size": 299, "bands": 4, "mix": False}
    model = randomise(small(log_of_sum=False, **arguments))
    again = F3Net.from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()
    model.save_weights(tmp_path / "some.weights.h5")
    again.load_weights(tmp_path / "some.weights.h5")
    images = faces(2, 64)
    assert_close(arrays(again(images)), arrays(model(images)))


@TF
@pytest.mark.long
def test_it_learns():
    model = small()
    # A graph of the step takes longer to make than all steps.
    model.compile(optimizer=keras.optimizers.Adam(3e-3), run_eagerly=True)
    images, targets, weights = element(6, 64)
    losses = [
        model.train_on_batch(images, targets, weights, return_dict=True)["loss"] for _ in range(6)
    ]
    assert losses[-1] < 0.7 * losses[0]
    gammas = [
        to_numpy(gamma)
        for layer in model.layers
        if isinstance(layer, MixBlock)
        for gamma in layer.gammas
    ]
    assert len(gammas) == 4
    assert all(gamma != 0 for gamma in gammas)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"image_size": 47}, "`image_size` must be an integer from 48"),
        ({"bands": 2}, "`bands` must be an integer from 3 to 4"),
        ({"width": 24}, "`width` must be an integer from 25 to 100"),
        ({"fad": False, "lfs": False}, "One stream at least"),
        ({"lfs": False, "mix": True}, "Cross attention needs both streams"),
        ({"image_size": 56}, "sides of 4 and 3 pixels"),
        ({"weights": "imagenet"}, "Weights fit `width=100` alone"),
    ],
)
def test_wrong_arguments_are_said(arguments, line):
    with pytest.raises(ValueError, match=line) as error:
        small(**arguments)
    assert "\n" not in str(error.value)
