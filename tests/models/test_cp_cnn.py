"""CP-CNN (Stats-2L) against reference values."""

import keras
import numpy as np
import pytest
from backend import to_numpy
from formula import REFERENCE, image, logit, set_weights

from lrl_keras.models import build


@pytest.mark.parametrize("kind", ["waves", "modular"])
def test_formula_weights_give_the_reference(kind):
    model = build("cp_cnn", image_size=128)
    set_weights(model, ["conv1", "conv2", "dense", "label"])
    expected = REFERENCE["formula"]["cp_cnn"][kind]
    # Red and blue are not looked at.
    images = np.zeros((1, 128, 128, 3), "float32")
    images[..., 1:2] = image(kind, 128, 1)
    np.testing.assert_allclose(logit(model, images), [[expected["logit"]]], atol=1e-5)
    statistics = keras.Model(model.input, model.get_layer("statistics").output)(255 * images)
    np.testing.assert_allclose(
        to_numpy(statistics)[0, :8], expected["statistics_first_8"], atol=1e-5
    )


@pytest.mark.parametrize(("channels", "expected"), [(1, 283_009), (3, 283_009 + 576)])
def test_parameters(channels, expected):
    assert build("cp_cnn", channels=channels).count_params() == expected


def test_initial_weights():
    model = build("cp_cnn")
    for name, fan_in in (("conv2", 9 * 32), ("dense", 256)):
        kernel, bias = map(to_numpy, model.get_layer(name).weights)
        # A normal distribution cut at two standard deviations keeps 0.8796 of its own.
        assert kernel.std() == pytest.approx(0.8796 * np.sqrt(2 / fan_in), rel=0.02)
        assert bias.mean() == pytest.approx(0.5, abs=0.05)
        assert np.abs(bias - 0.5).max() <= 0.2


@pytest.mark.tensorflow
def test_no_gradient_is_a_sum_of_three():
    import gradient_sums

    assert gradient_sums.largest(build("cp_cnn", image_size=16, side=16, units=4)) <= 2


@pytest.mark.parametrize("arguments", [{"image_size": 100}, {"side": 7}, {"channels": 2}])
def test_wrong_arguments_are_said(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        build("cp_cnn", **arguments)
