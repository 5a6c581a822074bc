"""Scores of every face of a split, by frame and by video, and their file."""

import csv
import io
import sys

import numpy as np
from tqdm import tqdm

from lrl_keras import data
from lrl_keras.data.sequences import Scores
from lrl_keras.evaluation import metrics_report
from lrl_keras.system import files

# Columns that tell a video from others.
_CLIP = ("dataset", "method", "video")
_COLUMNS = {"score": float, "label": int, "dataset": str, "method": str, "video": str, "frame": int}


def score(model, records, split, methods, batch_size, total, *, title=None, progress=True):
    """Score every face of a split once, in the order of the records.

    Args:
        model: has `image_size`, `frames`, and `predict_on_batch` from images to a dict with
            `"label"` (B, 1).
        records: `Records`.
        split: name of the split, or `"all"`.
        methods: names of forgery methods, `None` for all.
        batch_size: faces scored at once.
        total: number of faces, for the progress bar.
        title: of the progress bar. Default: the split.
        progress: whether to show it, on standard error.

    Returns:
        dict of arrays: score, label, dataset, method, video, frame.
    """
    batches = data.examples(
        records, split, methods=methods, image_size=model.image_size, batch_size=batch_size
    )
    scores = Scores(model)
    columns = {name: [] for name in _COLUMNS}
    with tqdm(
        total=total, unit="face", desc=title or split, file=sys.stderr, disable=not progress
    ) as bar:
        for batch in batches:
            described = metrics_report.described(batch)
            clips = list(zip(*(described[name] for name in _CLIP), strict=True))
            columns["score"].extend(scores.add(batch["image"].numpy(), clips))
            for name, values in described.items():
                columns[name].extend(values)
            bar.update(len(clips))
    columns["score"].extend(scores.finish())
    return {name: np.array(values) for name, values in columns.items()}


def video_numbers(frames):
    """Number the videos of faces, told apart by (dataset, method, video), as they first appear."""
    numbers = {}
    keys = zip(*(frames[name].tolist() for name in _CLIP), strict=True)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def by_video(frames):
    """Return the same columns with one row a video, in their order, and the mean of its scores."""
    numbers = video_numbers(frames)
    ends = np.cumsum(np.bincount(numbers))[:-1]
    rows = np.split(np.argsort(numbers, kind="stable"), ends)
    videos = {name: values[[own[0] for own in rows]] for name, values in frames.items()}
    videos["score"] = np.array([frames["score"][own].mean() for own in rows])
    return videos


def write(frames, path):
    """Write the columns of faces as a CSV file, which holds the scores exactly."""
    with (
        files.replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(frames)
        writer.writerows(zip(*(values.tolist() for values in frames.values()), strict=True))


def read(path):
    """Read what `write` wrote."""
    rows = list(csv.DictReader(io.StringIO(files.read_bytes(path).decode("utf-8"), newline="")))
    return {name: np.array([kind(row[name]) for row in rows]) for name, kind in _COLUMNS.items()}
