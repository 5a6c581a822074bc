import json

import keras
import numpy as np
import pytest
from backend import to_numpy
from networks import arrays, assert_close, element, faces, randomise

from lrl_keras.models import BACKBONES, Classifier

TF = pytest.mark.tensorflow


def classifier(size=64, **arguments):
    keras.utils.set_random_seed(1)
    return Classifier(**{"backbone": "tiny", "image_size": size, **arguments})


@pytest.mark.parametrize("size", [64, 75])
def test_its_only_output_is_the_label(size, policy):
    model = randomise(classifier(size))
    outputs = model(faces(3, size))
    assert set(outputs) == {"label"}
    label = outputs["label"]
    assert tuple(label.shape) == (3, 1)
    assert keras.backend.standardize_dtype(label.dtype) == "float32"
    values = to_numpy(label)
    assert ((values > 0) & (values < 1)).all()
    single = to_numpy(model(faces(1, size))["label"])
    np.testing.assert_allclose(single, values[:1], atol=1e-5 if policy == "float32" else 2e-2)


@TF
@pytest.mark.slow
def test_xception_is_that_of_keras_with_a_dense_layer():
    model = classifier(75, backbone="xception")
    keras.utils.set_random_seed(2)
    reference = keras.applications.Xception(
        include_top=True, input_shape=(75, 75, 3), weights=None, classes=1,
        classifier_activation="sigmoid",
    )  # fmt: skip
    assert model.count_params() == reference.count_params()
    weights = randomise(reference).get_weights()
    model.set_weights(weights)
    images = faces(2, 75)
    expected = reference(keras.applications.xception.preprocess_input(images.copy()))
    np.testing.assert_allclose(to_numpy(model(images)["label"]), to_numpy(expected), atol=1e-5)


def test_config_and_weights_make_the_same_model(tmp_path):
    model = randomise(classifier(name="mine", crop_margin=1.5, crop_size=299))
    config = json.loads(json.dumps(model.get_config()))
    again = Classifier.from_config(config)
    assert again.get_config() == model.get_config()
    model.save_weights(tmp_path / "some.weights.h5")
    again.load_weights(tmp_path / "some.weights.h5")
    images = faces(2, 64)
    assert_close(arrays(again(images)), arrays(model(images)))


def test_it_learns_from_what_the_whole_network_is_fed_with():
    model = classifier()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    images, targets, weights = element(6, 64)
    losses = [
        model.train_on_batch(images, targets, weights, return_dict=True)["loss"] for _ in range(12)
    ]
    assert losses[-1] < 0.7 * losses[0]
    found = model.evaluate(images, targets, sample_weight=weights, verbose=0, return_dict=True)
    assert {"label_accuracy", "label_auc", "label_eer", "loss"} <= set(found)


def test_its_stages_are_the_backbone():
    model = classifier()
    assert [stage.name for stage in model.stages] == ["rgb_low", "rgb_mid", "rgb_high"]
    inside = sum(stage.count_params() for stage in model.stages)
    backbone = BACKBONES["tiny"].build((64, 64, 3), None)
    assert inside == backbone.count_params()
    assert model.count_params() == inside + 97


@pytest.mark.parametrize("arguments", [{"image_size": 16}, {"image_size": 64.5}, {"backbone": "?"}])
def test_wrong_arguments_are_said(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        classifier(**{"size": 64, **arguments})
