"""Meso-4 and MesoInception-4 against reference values, and how they are trained."""

import numpy as np
import pytest
from formula import REFERENCE, image, logit, set_weights

from lrl_keras.models import build
from lrl_keras.optimizers import SCHEDULES, Tenth

# Layers with weights in the order of the reference.
LAYERS = {
    "meso4": [f"{kind}{n}" for n in range(1, 5) for kind in ("conv", "norm")],
    "meso_inception4": [
        *(f"conv{n}" for n in range(1, 8)), "norm1", *(f"conv{n}" for n in range(8, 15)), "norm2",
        "conv15", "norm3", "conv16", "norm4",
    ],
}  # fmt: skip
NAMES = sorted(LAYERS)


@pytest.mark.parametrize("name", NAMES)
def test_formula_weights_give_the_reference(name):
    model = build(name)
    set_weights(model, [*LAYERS[name], "dense1", "label"])
    for kind, expected in REFERENCE["formula"][name].items():
        found = logit(model, image(kind, 256, 3)[None])
        np.testing.assert_allclose(found, [[expected["logit"]]], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "trained", "whole"), [("meso4", 27977, 28073), ("meso_inception4", 28615, 28725)]
)
def test_parameters(name, trained, whole):
    model = build(name)
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == trained
    assert model.count_params() == whole


@pytest.mark.parametrize("name", NAMES)
def test_it_is_trained_with_the_squared_error_of_the_probability(name, policy):
    model = build(name, image_size=32)
    model.compile()
    images = 255 * np.stack([image(kind, 32, 3) for kind in ("waves", "modular", "grey")])
    labels = np.array([[0], [1], [1]], "float32")
    found = model.evaluate(images, {"label": labels}, verbose=0, return_dict=True)
    probabilities = model.predict(images, verbose=0)["label"]
    assert found["loss"] == pytest.approx(np.mean((probabilities - labels) ** 2), abs=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_is_a_sum_of_three(name):
    import gradient_sums

    assert gradient_sums.largest(build(name, image_size=32)) <= 2


def test_rate_of_the_schedule():
    rates = [1e-3 * SCHEDULES["tenth"]()(epoch, 50) for epoch in range(6)]
    np.testing.assert_allclose(rates, [1e-3, 1e-4, 1e-5, 1e-6, 1e-6, 1e-6], rtol=1e-12)
    slower = Tenth(tenth_every=2, tenth_floor=0.05)
    np.testing.assert_allclose([slower(epoch, 9) for epoch in range(5)], [1, 1, 0.1, 0.1, 0.05])
    assert Tenth.from_config(slower.get_config()).get_config() == slower.get_config()
