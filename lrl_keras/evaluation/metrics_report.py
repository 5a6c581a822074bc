"""Metrics of scored faces whose labels are known, and the provenance of these metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import metrics as sk

from lrl_keras.errors import InputError
from lrl_keras.metrics import equal_error_rate
from lrl_keras.saving.run import versions

if TYPE_CHECKING:
    from lrl_keras.data import Records
    from lrl_keras.models import Detector

# A face with a higher score is called forged.
THRESHOLD = 0.5


def count(records: Records, split: str, methods: Sequence[str] | str | None = None) -> int:
    """Count the faces in a split of `Records`, the forged ones of `methods` alone.

    Raises:
        InputError: if the split is empty or has one class only, a method is not in it, or it
            holds faces that training forges.
    """
    source = records.split(split, methods=methods)
    source.check_examples()
    real, forged = source.totals
    if not real or not forged:
        raise InputError(
            f"{records}: split {split!r} has {real} real and {forged} forged faces; the metrics "
            "need both"
        )
    return real + forged


def described(batch: Mapping[str, Any]) -> dict[str, list]:
    """Return labels and origins of a batch of `lrl_keras.data.examples` as a dict of lists."""
    numbers = {name: batch[name].numpy().tolist() for name in ("label", "frame")}
    texts = {
        name: [text.decode() for text in batch[name].numpy()]
        for name in ("dataset", "method", "video")
    }
    return {**numbers, **texts}


def check_finite(records: Records, scores: np.ndarray) -> None:
    """Raise `InputError` where a score is not finite."""
    if not np.isfinite(scores).all():
        raise InputError(f"{records}: the model gives scores that are not finite; it is broken")


def methods_of(columns: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of the forgery methods among faces, sorted.

    Args:
        columns: dict of arrays, `label` (1 = forged) and `method` among them.
    """
    return sorted({str(method) for method in columns["method"][columns["label"] == 1]})


def against_real(columns: Mapping[str, np.ndarray], method: str) -> np.ndarray:
    """Mark the faces that are real or forged by a method, as an array of bool."""
    return (columns["label"] == 0) | (columns["method"] == method)


def of(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Measure how well scores separate real from forged.

    Args:
        labels: array (N,) of 0 (real) and 1 (forged), with both.
        scores: array (N,) in [0, 1], higher = more likely forged.

    Returns:
        dict with `accuracy`, `balanced_accuracy` and `recall` (of the forged) at the threshold
        0.5, `auc`, `average_precision`, `eer` (with `eer_threshold`), all in [0, 1], and the counts
        `real` and `forged`.
    """
    calls = scores > THRESHOLD
    rate, threshold = equal_error_rate(labels, scores, return_threshold=True)
    return {
        "accuracy": float(sk.accuracy_score(labels, calls)),
        "balanced_accuracy": float(sk.balanced_accuracy_score(labels, calls)),
        "recall": float(calls[labels == 1].mean()),
        "auc": float(sk.roc_auc_score(labels, scores)),
        "average_precision": float(sk.average_precision_score(labels, scores)),
        "eer": rate,
        "eer_threshold": threshold,
        "real": int((labels == 0).sum()),
        "forged": int((labels == 1).sum()),
    }


def by_method(columns: Mapping[str, np.ndarray], scores: np.ndarray) -> dict[str, Any]:
    """Measure all faces, and those of each method beside all real ones.

    Returns:
        `{"overall": metrics, "methods": {method: metrics}}`, metrics as `of` gives them.
    """
    labels, methods = columns["label"], {}
    for method in methods_of(columns):
        rows = against_real(columns, method)
        methods[method] = of(labels[rows], scores[rows])
    return {"overall": of(labels, scores), "methods": methods}


def provenance(model: Detector, records: Records) -> dict[str, Any]:
    """Return the model's configuration, the records' manifest and the versions of packages."""
    return {
        "detector": model.NAME,
        "model": model.get_config(),
        "manifest_sha256": records.fingerprint,
        "records": records.about,
        "versions": versions(),
    }
