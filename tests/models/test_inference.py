"""The folded network computes what the network computes, with less in it."""

import keras
import numpy as np
import pytest
from backend import to_numpy
from networks import ABLATIONS, arrays, assert_close, faces, lively, tiny

from lrl_keras.export.folding import inference_form
from lrl_keras.models import Classifier

TF = pytest.mark.tensorflow


def norms(model):
    return [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


@TF
@pytest.mark.parametrize(
    "arguments",
    [*ABLATIONS.values(), {"decoder": "deepfakebench"}, {"head_norm": False}],
    ids=[*ABLATIONS, "deepfakebench", "paper_head"],
)
def test_the_form_answers_as_the_network(arguments):
    model = lively(tiny(65, patches=4, **arguments))
    form = inference_form(model)
    # The norm of the head reads no convolution.
    assert norms(form) == ["head_norm"] * len([name for name in norms(model) if "head" in name])
    pictures = faces(3, 65)
    expected = arrays(model(pictures))
    assert np.ptp(expected["label"]) > 1e-3
    assert_close(arrays(form(pictures)), expected)
    assert_close(arrays(form(pictures[:1])), {n: v[:1] for n, v in expected.items()})


@TF
@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone", ["mobilenet_v3_small", "efficientnet_b0", "efficientnet_lite2", "xception"]
)
def test_the_form_of_each_backbone(backbone):
    keras.utils.set_random_seed(1)
    model = lively(Classifier(backbone, image_size=97))
    form = inference_form(model)
    assert not norms(form)
    pictures = faces(3, 97)
    expected = arrays(model(pictures))
    assert np.ptp(expected["label"]) > 1e-4
    assert_close(arrays(form(pictures)), expected, tolerance=1e-6)


@TF
def test_means_of_squeeze_and_excitation_keep_their_axes():
    form = inference_form(Classifier("efficientnet_b0", image_size=64))
    layers = list(form._flatten_layers())
    means = [each for each in layers if isinstance(each, keras.layers.GlobalAveragePooling2D)]
    assert len(means) == 17
    assert sum(each.keepdims for each in means) == 16  # all but the one before the label
    assert not any(isinstance(each, keras.layers.Reshape) for each in layers)


@TF
def test_without_mask_and_similarity_there_is_no_decoder():
    model = lively(tiny())
    form = inference_form(model, "label")
    assert list(form.output) == ["label"]
    assert "decoder" not in [layer.name for layer in form.layers]
    pictures = faces(2, 64)
    assert_close(arrays(form(pictures)), {"label": to_numpy(model(pictures)["label"])})


@TF
def test_it_is_float32_whatever_the_policy_was(policy):
    model = lively(tiny())
    form = inference_form(model)
    # Head and similarity are float32 under any policy.
    assert {layer.compute_dtype for layer in form._flatten_layers()} == {"float32"}
    assert keras.mixed_precision.dtype_policy().name == policy
    keras.mixed_precision.set_dtype_policy("float32")
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    pictures = faces(2, 64)
    assert_close(arrays(form(pictures)), arrays(again(pictures)))


def test_the_network_itself_is_left_as_it_was():
    model = tiny()
    before = [to_numpy(weight) for weight in model.weights]
    form = inference_form(model)
    form.set_weights([weight * 0 for weight in form.get_weights()])
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="outputs"):
        inference_form(tiny(), "mask")
