"""Frame- and video-level figures of a model on records."""

import csv
import json
import sys
from importlib.metadata import version

import numpy as np
from sklearn import metrics as sk
from tqdm import tqdm

from lrl_keras import data, drawing, files
from lrl_keras.data import manifest as records_manifest
from lrl_keras.errors import InputError
from lrl_keras.metrics import equal_error_rate

# Above it a face is called forged.
THRESHOLD = 0.5


def evaluate(model, records, split="test", *, batch_size=32, out=None, progress=True):
    """Score every face of a split and say how well the scores separate real from forged.

    A video's score is the mean over its frames; videos are told apart by (dataset, method, video).
    Each method is measured against all real faces of the split.

    Args:
        model: `LRL`.
        records: folder of finished records.
        split: `"train"`, `"val"` or `"test"`. Defaults to `"test"`.
        batch_size: faces scored at once. Defaults to `32`.
        out: folder for `metrics.json`, `scores.csv`, `roc.png` and `scores.png`, made where it is
            missing; `None` writes nothing.
        progress: whether to show a progress bar on standard error.

    Returns:
        dict with `frame` and `video`, each `{"overall": figures, "methods": {method: figures}}`,
        and what was measured: `split`, `threshold`, `model`, `records`. `figures` has `accuracy`
        and `balanced_accuracy` at the threshold 0.5, `auc`, `average_precision`, `eer` (with
        `eer_threshold`), all in [0, 1], and the counts `real` and `forged`.

    Raises:
        InputError: if the split is empty or has one class only.
    """
    manifest = records_manifest.read(records)
    if out is not None:
        # Before the scoring: hours later is too late to learn that nothing can be written there.
        files.make_folder(out)
    frames = _score(model, records, split, batch_size, manifest, progress)
    videos = _by_video(frames)
    _need_both_classes(records, split, frames)
    result = {
        "split": split,
        "threshold": THRESHOLD,
        "frame": _levels(frames),
        "video": _levels(videos),
        "model": model.get_config(),
        "records": {name: value for name, value in manifest.items() if name != "clips"},
        "versions": {name: version(name) for name in ("lrl-keras", "keras", "tensorflow")},
    }
    if out is not None:
        _write(out, result, frames)
    return result


def _score(model, records, split, batch_size, manifest, progress):
    """Columns of the split as arrays: score, label, dataset, method, video, frame."""
    batches = data.examples(records, split, image_size=model.image_size, batch_size=batch_size)
    total = sum(s["examples"] for s in manifest["shards"] if s["split"] == split)
    columns = {name: [] for name in ("score", "label", "dataset", "method", "video", "frame")}
    with tqdm(total=total, unit="face", desc=split, file=sys.stderr, disable=not progress) as bar:
        for batch in batches:
            scores = model.predict_on_batch(batch["image"])["label"]
            columns["score"].extend(scores[:, 0].tolist())
            for name in ("label", "frame"):
                columns[name].extend(batch[name].numpy().reshape(-1).astype(int).tolist())
            for name in ("dataset", "method", "video"):
                columns[name].extend(text.decode() for text in batch[name].numpy())
            bar.update(len(scores))
    columns = {name: np.array(values) for name, values in columns.items()}
    if not np.isfinite(columns["score"]).all():
        raise InputError(f"{records}: the model gives scores that are not finite; it is broken")
    return columns


def _by_video(frames):
    """The same columns with one row a video and the mean of its scores."""
    rows = {}
    for index, key in enumerate(
        zip(frames["dataset"], frames["method"], frames["video"], strict=True)
    ):
        rows.setdefault(key, []).append(index)
    first = [indices[0] for indices in rows.values()]
    videos = {name: values[first] for name, values in frames.items()}
    videos["score"] = np.array([frames["score"][indices].mean() for indices in rows.values()])
    return videos


def _need_both_classes(records, split, frames):
    forged = int(frames["label"].sum())
    real = len(frames["label"]) - forged
    if not real or not forged:
        raise InputError(
            f"{records}: split {split!r} has {real} real and {forged} forged faces; the figures "
            "need both"
        )


def _levels(columns):
    return {
        "overall": _figures(columns["label"], columns["score"]),
        "methods": {
            method: _figures(*_against_real(columns, method)) for method in _methods(columns)
        },
    }


def _methods(columns):
    return sorted({str(method) for method in columns["method"][columns["label"] == 1]})


def _against_real(columns, method):
    """Labels and scores of one method's fakes and of all real faces."""
    rows = (columns["label"] == 0) | (columns["method"] == method)
    return columns["label"][rows], columns["score"][rows]


def _figures(labels, scores):
    calls = scores > THRESHOLD
    rate, threshold = equal_error_rate(labels, scores, return_threshold=True)
    return {
        "accuracy": float(sk.accuracy_score(labels, calls)),
        "balanced_accuracy": float(sk.balanced_accuracy_score(labels, calls)),
        "auc": float(sk.roc_auc_score(labels, scores)),
        "average_precision": float(sk.average_precision_score(labels, scores)),
        "eer": rate,
        "eer_threshold": threshold,
        "real": int((labels == 0).sum()),
        "forged": int((labels == 1).sum()),
    }


def _write(out, result, frames):
    with (
        files.replacing(files.join(out, "scores.csv")) as temporary,
        open(temporary, "w", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(frames)
        writer.writerows(zip(*(values.tolist() for values in frames.values()), strict=True))
    curves = {"overall": (frames["label"], frames["score"])}
    curves.update({method: _against_real(frames, method) for method in _methods(frames)})
    drawing.roc_curves(curves, files.join(out, "roc.png"))
    drawing.score_histogram(frames["label"], frames["score"], files.join(out, "scores.png"))
    files.write_text(
        files.join(out, "metrics.json"), json.dumps(result, indent=1, sort_keys=True) + "\n"
    )
