"""C-Conv against reference values and against Caffe's sizes."""

import keras
import numpy as np
import pytest
from backend import to_numpy
from formula import REFERENCE, image, logit, set_weights
from networks import element

from lrl_keras.models import build

LAYERS = ["residual", "conv2", "conv3", "dense1", "dense2", "label"]


def test_formula_weights_give_the_reference():
    model = build("c_conv", image_size=128, units=32)
    set_weights(model, LAYERS)
    residual = model.get_layer("residual")
    residual.kernel.assign(residual.kernel_constraint(residual.kernel))
    np.testing.assert_allclose(
        to_numpy(residual.kernel)[:, :, 0, 0], REFERENCE["bayar"]["projected_in_c_conv"], rtol=1e-4
    )
    for kind, expected in REFERENCE["formula"]["c_conv"].items():
        gray = np.repeat(image(kind, 128, 1), 3, axis=-1)
        np.testing.assert_allclose(logit(model, gray[None]), [[expected["logit"]]], atol=1e-5)


def sizes(side):
    model = build("c_conv", image_size=side, side=side, units=1)
    names = ("residual", "conv2", "pool2", "conv3", "pool3")
    return [model.get_layer(name).output.shape[1] for name in names]


def test_sizes_are_caffes():
    assert sizes(128) == [124, 62, 31, 31, 15]
    assert sizes(227) == [223, 112, 56, 56, 28]


# The reference of 227 pixels has two outputs, which are 4,097 more.
@pytest.mark.parametrize(
    ("side", "expected"),
    [(128, 61_141_149), pytest.param(227, 171_049_118 - 4097, marks=pytest.mark.slow)],
)
def test_parameters(side, expected):
    assert build("c_conv", side=side).count_params() == expected


def test_it_sees_the_central_square_in_gray():
    model = build("c_conv", image_size=41, side=32, units=8)
    images = np.random.default_rng(0).uniform(0, 1, (1, 41, 41, 3))
    expected = logit(model, images)
    outside = np.ones((41, 41), bool)
    outside[4:36, 4:36] = False
    changed = images.copy()
    changed[:, outside] = 0
    np.testing.assert_array_equal(logit(model, changed), expected)
    gray = images @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(logit(model, np.repeat(gray[..., None], 3, -1)), expected, atol=1e-5)
    changed[:, 4, 4] = 1 - changed[:, 4, 4]
    assert np.any(logit(model, changed) != expected)


def test_training_keeps_the_constraint(policy):
    model = build("c_conv", image_size=32, side=32, units=8)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    before = to_numpy(model.get_layer("residual").kernel)
    images, targets, weights = element(6, 32)
    model.fit(images, targets, sample_weight=weights, epochs=3, verbose=0)
    kernel = to_numpy(model.get_layer("residual").kernel)
    assert np.abs(kernel - before).max() > 1e-3
    np.testing.assert_array_equal(kernel[2, 2], -1)
    np.testing.assert_allclose(kernel.sum(axis=(0, 1)), 0, atol=1e-5)


@pytest.mark.tensorflow
def test_no_gradient_is_a_sum_of_three():
    import gradient_sums

    assert gradient_sums.largest(build("c_conv", image_size=16, side=16, units=4)) <= 2


@pytest.mark.parametrize("arguments", [{"image_size": 100}, {"side": 15}, {"units": 0}])
def test_wrong_arguments_are_said(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        build("c_conv", **arguments)
