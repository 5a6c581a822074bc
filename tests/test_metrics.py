import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from backend import to_numpy
from keras import ops
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from lrl_keras.metrics import EqualErrorRate, equal_error_rate


def scores_of(kind, size=400, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.random(size) < (0.2 if kind == "unbalanced" else 0.5)
    scores = {
        "continuous": lambda: rng.normal(labels, 1.0),
        "unbalanced": lambda: rng.normal(labels, 1.0),
        "ties": lambda: np.round(rng.normal(labels, 1.0)),
        "few values": lambda: (rng.random(size) < 0.3 + 0.4 * labels).astype("float64"),
        "inverted": lambda: rng.normal(1 - labels, 1.0),
        "separable": lambda: labels + rng.random(size) * 0.5,
        "chance": lambda: rng.random(size),
    }[kind]()
    return labels.astype(int), scores


KINDS = ["continuous", "unbalanced", "ties", "few values", "inverted", "separable", "chance"]


def reference(labels, scores):
    """Root of 1 - fpr - tpr on scikit-learn's ROC, linear between its points, by SciPy."""
    fpr, tpr, _ = roc_curve(labels, scores)
    return brentq(lambda x: 1 - x - interp1d(fpr, tpr)(x), 0, 1, xtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [7, 400, 5001])
def test_equals_the_root_on_the_roc(kind, size):
    labels, scores = scores_of(kind, size, seed=size)
    assert equal_error_rate(labels, scores) == pytest.approx(reference(labels, scores), abs=1e-5)


@pytest.mark.parametrize("kind", ["continuous", "unbalanced", "chance"])
def test_threshold_errs_equally(kind):
    labels, scores = scores_of(kind, 20000)
    rate, threshold = equal_error_rate(labels, scores, return_threshold=True)
    fpr = np.mean(scores[labels == 0] >= threshold)
    fnr = np.mean(scores[labels == 1] < threshold)
    # As close as the fewest of the samples of one class let a rate be.
    assert fpr == pytest.approx(rate, abs=2 / np.bincount(labels).min())
    assert fnr == pytest.approx(rate, abs=2 / np.bincount(labels).min())


def test_by_hand():
    assert equal_error_rate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == 0
    assert equal_error_rate([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9]) == 1
    assert equal_error_rate([0, 1], [0.5, 0.5]) == 0.5
    assert equal_error_rate([0, 0, 1, 1], [0.1, 0.8, 0.2, 0.9]) == 0.5
    assert equal_error_rate([0, 0, 0, 1], [0.1, 0.2, 0.8, 0.5]) == pytest.approx(1 / 3)


def test_takes_columns_and_booleans():
    labels, scores = scores_of("continuous")
    expected = equal_error_rate(labels, scores)
    column = equal_error_rate(labels[:, None].astype(bool), scores[:, None].astype("float32"))
    assert column == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([], [], "needs both classes"),
        ([1, 1], [0.1, 0.9], "needs both classes"),
        ([0, 0], [0.1, 0.9], "needs both classes"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "labels of 0 and 1"),
        ([0, 1], [0.1, 0.2, 0.3], "labels of 0 and 1"),
        ([0, 1], [0.1, np.nan], "finite scores"),
        ([0, 1], [np.inf, 0.1], "finite scores"),
    ],
)
def test_refuses(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        equal_error_rate(labels, scores)


def on_the_grid(kind, size=500, bins=1000):
    """Scores in [0, 1] that are multiples of 1 / bins, where the metric is exact."""
    labels, scores = scores_of(kind, size)
    scores = (scores - scores.min()) / (scores.max() - scores.min())
    return labels, np.round(scores * bins) / bins


@pytest.mark.parametrize(("kind", "batch"), [*((kind, 125) for kind in KINDS), ("continuous", 1)])
def test_metric_equals_the_function(policy, kind, batch):
    labels, scores = on_the_grid(kind)
    metric = EqualErrorRate()
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        metric.update_state(labels[part, None], scores[part, None].astype("float32"))
    assert to_numpy(metric.result()) == pytest.approx(reference(labels, scores), abs=1e-5)


def test_metric_off_its_grid_is_as_exact_as_the_grid():
    labels, scores = scores_of("continuous", 2000)
    scores = 1 / (1 + np.exp(-scores))
    for bins in (100, 1000, 10000):
        metric = EqualErrorRate(bins=bins)
        metric.update_state(labels, scores)
        # The scores of at most one step are confused; their density here is below 3.
        assert to_numpy(metric.result()) == pytest.approx(reference(labels, scores), abs=3 / bins)


def test_weights_count_as_repetitions():
    labels, scores = on_the_grid("continuous")
    weights = np.random.default_rng(4).integers(0, 4, labels.size)
    metric = EqualErrorRate()
    metric.update_state(labels[:, None], scores[:, None], sample_weight=weights)
    expected = reference(np.repeat(labels, weights), np.repeat(scores, weights))
    assert to_numpy(metric.result()) == pytest.approx(expected, abs=1e-5)


def test_before_both_classes_are_seen_and_after_a_reset():
    metric = EqualErrorRate()
    assert to_numpy(metric.result()) == 0
    metric.update_state([1, 1], [0.2, 0.9])
    assert to_numpy(metric.result()) == 0
    metric.update_state([0, 0], [0.7, 0.95])
    assert to_numpy(metric.result()) > 0.4
    metric.reset_state()
    assert to_numpy(metric.result()) == 0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_scores_are_chance(policy, value):
    metric = EqualErrorRate()
    metric.update_state([0, 1, 1], ops.cast([value] * 3, "float16"))
    assert to_numpy(metric.result()) == pytest.approx(0.5, abs=1e-5)


def test_in_fit_and_after_reload(tmp_path):
    labels, scores = on_the_grid("continuous", 64)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )
    model.compile("sgd", "binary_crossentropy", metrics=[EqualErrorRate()])
    dataset = tf.data.Dataset.from_tensor_slices(
        (scores[:, None].astype("float32"), labels[:, None].astype("float32"))
    ).batch(24)
    history = model.fit(dataset, shuffle=False, verbose=0).history
    assert 0 < history["eer"][0] < 1

    expected = reference(labels, model.predict(dataset, verbose=0)[:, 0])
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        found = one.evaluate(dataset, verbose=0, return_dict=True)["eer"]
        # 64 scores in a narrow band: two of a class can share a bin.
        assert found == pytest.approx(expected, abs=1 / 32)


def test_config_makes_the_same_metric():
    metric = EqualErrorRate(bins=77, name="rate")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.bins, copy.name) == (77, "rate")


def test_refuses_bins():
    with pytest.raises(ValueError, match="`bins` must be at least 1"):
        EqualErrorRate(bins=0)
