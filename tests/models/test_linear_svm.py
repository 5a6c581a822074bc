import keras
import numpy as np
import pytest
from scipy import optimize
from sklearn.svm import LinearSVC

from lrl_keras.errors import InputError
from lrl_keras.losses import SquaredHingeLoss
from lrl_keras.models.linear_svm import fit_to_layer, solve


def blobs(count, width, apart):
    rng = np.random.default_rng(width)
    labels = np.arange(count) % 2
    return rng.normal(0, 1, (count, width)) + apart * labels[:, None], labels


@pytest.mark.parametrize("penalty", [1e-3, 1, 100])
# Mixed classes, and those that a plane parts, with more features than faces.
@pytest.mark.parametrize(("count", "width", "apart"), [(400, 12, 0.3), (60, 162, 0.5)])
def test_it_is_linear_svc(count, width, apart, penalty):
    features, labels = blobs(count, width, apart)
    kernel, bias = solve(features, labels, penalty)
    reference = LinearSVC(C=penalty, dual=False, tol=1e-10, max_iter=100_000)
    expected = reference.fit(features, labels).decision_function(features)
    np.testing.assert_allclose(features @ kernel + bias, expected, atol=1e-6)


def test_it_is_the_minimum_of_the_loss_and_an_l2_penalty():
    features, labels = blobs(200, 6, 0.4)
    kernel, bias = solve(features, labels, 0.7)

    def objective(weights):
        slack = np.maximum(1 - (2 * labels - 1) * (features @ weights[:-1] + weights[-1]), 0)
        return weights @ weights / 2 + 0.7 * np.sum(slack**2)

    found = optimize.minimize(objective, np.zeros(7), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose([*kernel, bias], found.x, atol=1e-5)
    scores = keras.activations.sigmoid((features @ kernel + bias).astype("float32")[:, None])
    loss = float(SquaredHingeLoss()(labels[:, None].astype("float32"), scores))
    penalty = (kernel @ kernel + bias**2) / 2
    np.testing.assert_allclose(0.7 * 200 * loss + penalty, found.fun, rtol=1e-5)


def small_model():
    values = keras.Input((3,))
    return keras.Model(values, keras.layers.Dense(1)(keras.layers.Identity(name="same")(values)))


def batches(features, labels):
    for start in range(0, len(labels), 16):
        part = slice(start, start + 16)
        yield features[part].astype("float32"), {"label": labels[part, None]}, {}


def test_a_constant_feature_counts_for_nothing():
    features, labels = blobs(50, 3, 0.5)
    features[:, 1] = 0.1
    svm = fit_to_layer(small_model(), "same", batches(features, labels), 1.0)
    assert svm.deviation[1] == 1
    assert svm.kernel[1] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(svm.mean, features.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(svm.deviation[::2], features.std(axis=0)[::2], rtol=1e-6)


@pytest.mark.parametrize("count", [0, 20])
def test_one_class_is_refused(count):
    features, labels = np.ones((count, 3)), np.ones(count)
    with pytest.raises(InputError, match=f"both classes, 0 and 1.*of {count} faces"):
        fit_to_layer(small_model(), "same", batches(features, labels), 1.0)
