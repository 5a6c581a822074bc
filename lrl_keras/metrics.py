"""Equal error rate: exact for arrays, and as a Keras metric for training."""

from __future__ import annotations

from typing import Any, Literal, overload

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike


@overload
def equal_error_rate(
    labels: ArrayLike, scores: ArrayLike, return_threshold: Literal[False] = False
) -> float: ...


@overload
def equal_error_rate(
    labels: ArrayLike, scores: ArrayLike, return_threshold: Literal[True]
) -> tuple[float, float]: ...


def equal_error_rate(
    labels: ArrayLike, scores: ArrayLike, return_threshold: bool = False
) -> float | tuple[float, float]:
    """Compute the error rate at the threshold where it is the same for real and forged faces.

    This is the false positive rate at the root of `1 - fpr - tpr` on the ROC curve, which is
    linear between its points.

    Args:
        labels: array of 0 (real) and 1 (forged), any shape.
        scores: array of the same size, higher = more likely forged.
        return_threshold: whether to return the score at that point, too. Defaults to `False`.

    Returns:
        float in [0, 1], or a tuple (rate, threshold).

    Raises:
        ValueError: on scores that are not finite, other labels, or one class only.
    """
    labels = np.asarray(labels).reshape(-1)
    scores = np.asarray(scores, "float64").reshape(-1)
    if labels.shape != scores.shape or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            "Expected labels of 0 and 1, as many as scores. "
            f"Received: {labels.size} labels, {scores.size} scores"
        )
    if not np.isfinite(scores).all():
        raise ValueError("Expected finite scores. Received: NaN or infinity among them")
    positives = int(labels.sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        raise ValueError(
            "The equal error rate needs both classes. "
            f"Received: {negatives} real, {positives} forged"
        )
    order = np.argsort(-scores, kind="stable")
    labels, scores = labels[order], scores[order]
    # Equal scores cross the threshold together.
    last = np.append(np.flatnonzero(np.diff(scores)), scores.size - 1)
    tpr = np.concatenate([[0.0], np.cumsum(labels)[last] / positives])
    fpr = np.concatenate([[0.0], np.cumsum(1 - labels)[last] / negatives])
    thresholds = np.concatenate([[scores[0]], scores[last]])
    balance = fpr + tpr - 1
    above = int(np.argmax(balance >= 0))
    below = above - 1
    step = -balance[below] / (balance[above] - balance[below])
    rate = fpr[below] + step * (fpr[above] - fpr[below])
    threshold = thresholds[below] + step * (thresholds[above] - thresholds[below])
    return (float(rate), float(threshold)) if return_threshold else float(rate)


@keras.saving.register_keras_serializable("lrl_keras")
class EqualErrorRate(keras.metrics.Metric):
    """Equal error rate over an epoch, from histograms of the scores.

    It is exact for scores that are multiples of `1 / bins`; others are rounded to them. Memory does
    not grow with the data. The result is 0 until both classes have been seen.

    Args:
        bins: steps that [0, 1] is divided into. Defaults to `1000`.
        name: name of the metric. Defaults to `"eer"`.

    Call arguments:
        y_true: labels 0 (real) and 1 (forged), (B,) or (B, 1).
        y_pred: scores in [0, 1] of the same size.
        sample_weight: optional weights of the same size.
    """

    def __init__(self, bins: int = 1000, name: str | None = "eer", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if bins < 1:
            raise ValueError(f"`bins` must be at least 1. Received: bins={bins}")
        self.bins = int(bins)
        # Row 0 counts real, row 1 forged faces.
        self.counts = self.add_weight(
            shape=(2, self.bins + 1), initializer="zeros", name="counts", dtype="float32"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true = ops.reshape(ops.cast(y_true, "float32"), (-1, 1))
        y_pred = ops.reshape(ops.cast(y_pred, "float32"), (-1,))
        bins = ops.cast(ops.round(ops.clip(y_pred, 0, 1) * self.bins), "int32")
        classes = ops.concatenate([1 - y_true, y_true], axis=1)
        if sample_weight is not None:
            weights = ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
            classes = classes * weights
        hits = ops.one_hot(bins, self.bins + 1, dtype="float32")
        self.counts.assign_add(ops.matmul(ops.transpose(classes), hits))

    def result(self) -> Any:
        totals = ops.sum(self.counts, axis=1, keepdims=True)
        rates = ops.flip(self.counts, axis=1) / ops.maximum(totals, 1e-6)
        rates = ops.pad(ops.cumsum(rates, axis=1), ((0, 0), (1, 0)))
        fpr, tpr = rates[0], rates[1]
        balance = fpr + tpr - 1
        # First point at or past the diagonal; rounding may leave the last one just below it.
        past = ops.cast(balance >= -1e-6, "int32")
        above = ops.maximum(ops.argmax(past), 1)
        low, high = ops.take(balance, above - 1), ops.take(balance, above)
        step = ops.clip(-low / ops.maximum(high - low, 1e-6), 0, 1)
        start, end = ops.take(fpr, above - 1), ops.take(fpr, above)
        return ops.where(ops.all(totals > 0), start + step * (end - start), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}
