import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import to_numpy
from keras import ops

from lrl_keras.optimizers import AdamL2

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "torch_adam.json").read_text("utf-8"))


def adam(settings, **kwargs):
    return AdamL2(
        learning_rate=settings["lr"], weight_decay=settings["weight_decay"],
        beta_1=settings["betas"][0], beta_2=settings["betas"][1], epsilon=settings["eps"],
        **kwargs,
    )  # fmt: skip


def steps(optimizer, run, scale=1.0):
    """The weights after each of the recorded steps."""
    variable = keras.Variable(np.array(run["weights"][0], "float32"), name="weights")
    optimizer.build([variable])
    for gradient in run["gradients"]:
        optimizer.apply([ops.convert_to_tensor(np.array(gradient, "float32") * scale)])
        yield to_numpy(variable)


@pytest.mark.parametrize("name", FIXTURE["runs"])
def test_every_step_is_pytorchs(policy, name):
    run = FIXTURE["runs"][name]
    for weights, expected in zip(
        steps(adam(run["settings"]), run), run["weights"][1:], strict=True
    ):
        np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FIXTURE["runs"])
def test_updates_are_pytorchs(name):
    """The way walked from the start, not hidden behind the size of the weights."""
    run = FIXTURE["runs"][name]
    start = np.array(run["weights"][0])
    *_, end = steps(adam(run["settings"]), run)
    way = np.array(run["weights"][-1]) - start
    # float32 weights near 1 resolve steps of 1e-7.
    np.testing.assert_allclose(end - start, way, rtol=1e-5, atol=5e-7)


# On JAX a loss scale works inside `fit` alone, which the next test does.
@pytest.mark.tensorflow
def test_decay_is_of_unscaled_gradients_under_a_loss_scale():
    run = FIXTURE["runs"]["heavy decay"]
    scaled = keras.optimizers.LossScaleOptimizer(adam(run["settings"]), initial_scale=2.0**10)
    results = steps(scaled, run, scale=2.0**10)
    for weights, expected in zip(results, run["weights"][1:], strict=True):
        np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-6)


def test_compile_under_mixed_float16_wraps_it(policy):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, dtype="float32")])
    model.compile(AdamL2(0.01, weight_decay=0.5), "mse")
    wrapped = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert wrapped == (policy == "mixed_float16")
    model.layers[0].kernel.assign([[1.0], [-2.0], [3.0]])
    # Inputs of 0: no gradient for the kernel but the decay, which Adam makes steps of 0.01.
    model.fit(np.zeros((4, 3)), np.zeros((4, 1)), epochs=3, verbose=0)
    kernel = to_numpy(model.layers[0].kernel)[:, 0]
    np.testing.assert_allclose(kernel, [0.97, -1.97, 2.97], atol=1e-4)


def test_a_schedule():
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01])
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = AdamL2(rate, weight_decay=0)
    optimizer.build([variable])
    found = []
    for _ in range(4):
        before = to_numpy(variable)
        optimizer.apply([ops.ones(2)])
        found.append(np.abs(to_numpy(variable) - before).max())
    # Gradients that are all alike make steps of the learning rate.
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01], rtol=1e-5)


def test_excluded_variables_do_not_decay():
    kept, decayed = (keras.Variable(np.ones(2, "float32"), name=n) for n in ("bias", "kernel"))
    optimizer = AdamL2(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([kept, decayed])
    optimizer.apply([ops.zeros(2), ops.zeros(2)])
    np.testing.assert_array_equal(to_numpy(kept), 1)
    np.testing.assert_allclose(to_numpy(decayed), 0.9, atol=1e-5)


def test_defaults_are_the_papers():
    config = AdamL2().get_config()
    expected = {"weight_decay": 1e-5, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    assert {key: config[key] for key in expected} == expected
    assert config["learning_rate"] == pytest.approx(2e-4)


def test_config_makes_the_same_optimizer():
    run = FIXTURE["runs"]["other betas"]
    optimizer = adam(run["settings"], clipnorm=2.0)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == optimizer.get_config()
    for one, other in zip(steps(copy, run), steps(optimizer, run), strict=True):
        np.testing.assert_array_equal(one, other)


def test_saved_in_the_middle_goes_on_alike(policy, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)).astype("float32"), rng.normal(size=(32, 1)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, dtype="float32")])
    model.compile(AdamL2(0.01, weight_decay=0.1), "mse")
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    weights = []
    for one in (model, reloaded):
        one.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        weights.append(one.get_weights())
    for mine, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("gradient", [0.0, 1e-30, 1e18])
def test_extreme_gradients(gradient):
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer = AdamL2(0.1)
    optimizer.build([variable])
    for _ in range(3):
        optimizer.apply([ops.full((3,), gradient)])
    assert np.isfinite(to_numpy(variable)).all()


def test_refuses_amsgrad():
    with pytest.raises(ValueError, match="no AMSGrad"):
        AdamL2(amsgrad=True)


def numpy_adam(weights, gradients, rate, decay):
    """The weights after every step of Kingma and Ba's algorithm 1, in float64."""
    m = v = 0.0
    for t, gradient in enumerate(gradients, 1):
        gradient = gradient + decay * weights
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        weights = weights - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield weights


def test_step_factors_scale_the_steps_of_some_variables():
    rng = np.random.default_rng(0)
    names = {"stem_conv": 1 / 16, "stem_extra_conv": 0.5, "other": 1.0, "x_stem_conv": 1.0}
    variables = {name: keras.Variable(rng.normal(size=5), "float32", name=name) for name in names}
    starts = {name: np.asarray(to_numpy(value), np.float64) for name, value in variables.items()}
    # Of different sizes, which Adam makes steps of one size.
    gradients = {name: 10.0**at * rng.normal(size=(8, 5)) for at, name in enumerate(names)}
    optimizer = AdamL2(
        0.02, weight_decay=0.1, step_factors={"stem_": 1 / 16, "stem_extra": 0.5, "missing": 7}
    )
    optimizer.build(list(variables.values()))
    expected = {
        name: numpy_adam(starts[name], gradients[name], 0.02 * factor, 0.1)
        for name, factor in names.items()
    }
    for step in range(8):
        optimizer.apply([ops.convert_to_tensor(gradients[n][step], "float32") for n in names])
        for name, variable in variables.items():
            np.testing.assert_allclose(
                to_numpy(variable), next(expected[name]), rtol=1e-5, atol=1e-6, err_msg=name
            )


def test_step_factors_are_in_the_config(tmp_path):
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="first"), keras.layers.Dense(1)]
    )
    model.compile(AdamL2(0.01, step_factors={"first/kernel": 0.5}), "mse")
    before = to_numpy(model.layers[0].kernel), to_numpy(model.layers[1].kernel)
    model.fit(x, x[:, :1], batch_size=8, verbose=0)
    # A first step of Adam is as long as the rate.
    for layer, start, step in zip(model.layers, before, (0.005, 0.01), strict=True):
        np.testing.assert_allclose(np.abs(to_numpy(layer.kernel) - start), step, rtol=1e-3)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert reloaded.optimizer.step_factors == {"first/kernel": 0.5}


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan")])
def test_refuses_factors_that_are_not_positive(factor):
    with pytest.raises(ValueError, match=r"must be positive numbers\. Received"):
        AdamL2(step_factors={"first": factor})
