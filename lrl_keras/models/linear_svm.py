"""Linear support vector machine on the features of a layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from lrl_keras.errors import InputError

# Seven or so do.
_MOST_STEPS = 200
_TOLERANCE = 1e-9


class LinearSVM(NamedTuple):
    """Solution f(x) = (x - mean) / deviation . kernel + bias, in float64.

    Attributes:
        mean, deviation: of each feature over the training faces, (n,); the deviation of a feature
            that is always the same is 1.
        kernel: (n,), of the standardised features.
        bias: a number.
    """

    mean: np.ndarray
    deviation: np.ndarray
    kernel: np.ndarray
    bias: float


def fit_to_layer(
    model: keras.Model,
    layer: str,
    batches: Iterable[tuple[Any, Any, Any]],
    penalty: float = 1.0,
    least: float = 0.0,
) -> LinearSVM:
    """Fit a linear SVM to the features that a layer of `model` makes of training faces.

    Args:
        model: functional model of images.
        layer: name of a layer in it whose output is (B, n).
        batches: of `(images, targets, sample_weights)`, see `lrl_keras.data.load`.
        penalty: C, see `solve`.
        least: deviation that takes the place of smaller ones.

    Raises:
        InputError: no faces of both classes.
    """
    features = keras.Model(model.input, model.get_layer(layer).output)
    found, known = [], []
    for images, targets, *_ in batches:
        found.append(np.asarray(features.predict_on_batch(images), "float64"))
        known.append(np.asarray(targets["label"])[:, 0])
    labels = np.concatenate([*known, []])
    if len(classes := np.unique(labels)) != 2:
        raise InputError(
            "the linear SVM needs training faces of both classes, 0 and 1. Received: labels "
            f"{classes.tolist()} of {len(labels)} faces"
        )
    stacked = np.concatenate(found)
    mean, varies = stacked.mean(axis=0), np.ptp(stacked, axis=0) > 0
    deviation = np.where(varies, np.maximum(stacked.std(axis=0), least), 1.0)
    return LinearSVM(mean, deviation, *solve((stacked - mean) / deviation, labels, penalty))


def solve(features: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Find the minimum of the primal objective of a linear SVM with squared hinge loss.

    With y in {-1, 1} and f(x) = w . x + b, that of

        (|w|² + b²) / 2 + C sum max(0, 1 - y f(x))²

    by Newton's method, which is exact after the step at whose end the same faces lie within the
    margin as at its beginning. scikit-learn's `LinearSVC` has the same objective.

    Args:
        features: (m, n).
        labels: (m,) of 0 and 1.
        penalty: C, above 0.

    Returns:
        (kernel, bias): (n,) and a number, float64.

    Reference: Keerthi and DeCoste, "A Modified Finite Newton Method for Fast Solution of Large
    Scale Linear SVMs", JMLR 2005; Chapelle, "Training a Support Vector Machine in the Primal",
    Neural Computation 2007.
    """
    signs = 2.0 * np.asarray(labels, "float64") - 1
    rows = signs[:, None] * np.concatenate([features, np.ones((len(features), 1))], axis=1)

    def objective(weights):
        return weights @ weights / 2 + penalty * np.sum(np.maximum(1 - rows @ weights, 0) ** 2)

    weights = np.zeros(rows.shape[1])
    first = None
    for _ in range(_MOST_STEPS):
        slack = 1 - rows @ weights
        within = rows[slack > 0]
        gradient = weights - 2 * penalty * within.T @ slack[slack > 0]
        size = np.linalg.norm(gradient)
        first = size if first is None else first
        if size <= _TOLERANCE * first:
            break
        hessian = np.eye(len(weights)) + 2 * penalty * within.T @ within
        step = np.linalg.solve(hessian, -gradient)
        factor, before, slope = 1.0, objective(weights), gradient @ step
        while factor > 1e-6 and objective(weights + factor * step) > before + factor * slope / 1e4:
            factor /= 2
        weights = weights + factor * step
    return weights[:-1], float(weights[-1])
