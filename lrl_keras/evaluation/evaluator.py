"""Frame- and video-level metrics of a model on records."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from lrl_keras import data
from lrl_keras.data.records import Records, names_of
from lrl_keras.evaluation import metrics_report
from lrl_keras.plots import figures
from lrl_keras.system import files

if TYPE_CHECKING:
    from lrl_keras.models import Detector


def evaluate(
    model: Detector,
    records: str | os.PathLike[str] | Records,
    split: str = "test",
    *,
    methods: Sequence[str] | str | None = None,
    batch_size: int = 32,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Score every face of a split and measure how well the scores separate real from forged.

    A video's score is the mean over its frames; videos are told apart by (dataset, method, video).
    Each method is measured against all real faces of the split.

    Args:
        model: one of `lrl_keras.models.DETECTORS`.
        records: folder of finished records, or `lrl_keras.data.Records`.
        split: `"train"`, `"val"`, `"test"`, or `"all"` of them where a model has been trained on
            others. Defaults to `"test"`.
        methods: names of forgery methods; forged faces of others are left out. Default: all.
        batch_size: faces scored at once. Defaults to `32`.
        out: folder for `metrics.json`, `scores.csv`, `roc.png` and `scores.png`, made where it is
            missing; `None` writes nothing.
        progress: whether to show a progress bar on standard error.

    Returns:
        dict with `frame` and `video`, each `{"overall": metrics, "methods": {method: metrics}}`,
        and what was measured: `split`, `methods`, `threshold`, `detector`, `model`, `records`,
        `manifest_sha256`. `metrics` has `accuracy`, `balanced_accuracy` and `recall` (of the forged
        faces) at the threshold 0.5, `auc`, `average_precision`, `eer` (with `eer_threshold`), all
        in [0, 1], and the counts `real` and `forged`.

    Raises:
        InputError: if the split is empty or has one class only.
    """
    records = Records.open(records)
    total = metrics_report.count(records, split, methods)
    if out is not None:
        # Before the scoring: hours later is too late to learn that nothing can be written there.
        files.make_folder(out)
    frames = _score(model, records, split, methods, batch_size, total, progress)
    videos = _by_video(frames)
    result = {
        "split": split,
        "methods": None if methods is None else list(names_of(methods)),
        "threshold": metrics_report.THRESHOLD,
        "frame": metrics_report.by_method(frames, frames["score"]),
        "video": metrics_report.by_method(videos, videos["score"]),
        **metrics_report.provenance(model, records),
    }
    if out is not None:
        _write(out, result, frames)
    return result


def _score(model, records, split, methods, batch_size, total, progress):
    """Return columns of the split as arrays: score, label, dataset, method, video, frame."""
    batches = data.examples(
        records, split, methods=methods, image_size=model.image_size, batch_size=batch_size
    )
    columns = {name: [] for name in ("score", "label", "dataset", "method", "video", "frame")}
    with tqdm(total=total, unit="face", desc=split, file=sys.stderr, disable=not progress) as bar:
        for batch in batches:
            scores = model.predict_on_batch(batch["image"])["label"]
            columns["score"].extend(scores[:, 0].tolist())
            for name, values in metrics_report.described(batch).items():
                columns[name].extend(values)
            bar.update(len(scores))
    arrays = {name: np.array(values) for name, values in columns.items()}
    metrics_report.check_finite(records, arrays["score"])
    return arrays


def _by_video(frames):
    """Return the same columns with one row a video and the mean of its scores."""
    rows = {}
    for index, key in enumerate(
        zip(frames["dataset"], frames["method"], frames["video"], strict=True)
    ):
        rows.setdefault(key, []).append(index)
    first = [indices[0] for indices in rows.values()]
    videos = {name: values[first] for name, values in frames.items()}
    videos["score"] = np.array([frames["score"][indices].mean() for indices in rows.values()])
    return videos


def _write(out, result, frames):
    with (
        files.replacing(files.join(out, "scores.csv")) as temporary,
        open(temporary, "w", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(frames)
        writer.writerows(zip(*(values.tolist() for values in frames.values()), strict=True))
    curves = {"overall": (frames["label"], frames["score"])}
    for method in metrics_report.methods_of(frames):
        rows = metrics_report.against_real(frames, method)
        curves[method] = frames["label"][rows], frames["score"][rows]
    figures.roc_curves(curves, files.join(out, "roc.png"))
    figures.score_histogram(frames["label"], frames["score"], files.join(out, "scores.png"))
    files.write_json(files.join(out, "metrics.json"), result)
