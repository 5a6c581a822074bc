"""Metrics of several scores of the same faces, with intervals and tests of their differences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.evaluation import metrics_report, scoring, significance

PAIRS = ("all", "first")


def compare_scores(
    columns: Mapping[str, Mapping[str, np.ndarray]],
    *,
    resamples: int = 1000,
    seed: int = 0,
    pairs: str = "all",
) -> dict[str, Any]:
    """Compare scores of the same faces.

    Args:
        columns: dict of name to a dict of arrays, one entry a face: `score`, `label`, `dataset`,
            `method` and `video`; all but the score are the same for all names.
        resamples, seed, pairs: see `compare`.

    Returns:
        dict with

        - `runs`: by name, `frame` and `video`, each `{"overall": metrics, "methods": {method:
          metrics}}` as `lrl_keras.evaluation.evaluate` has them, with `auc_interval` besides: the
          95 % interval of the AUC by resamples of videos, `None` where a class has a single video;
        - `differences`: list of dicts: `first`, `second`, and at `frame` and `video` each
          `difference` (AUC of the first minus that of the second), `interval` (95 %), `p`
          (two-sided) and `p_holm` (corrected for the number of pairs), `None` where a class has a
          single video. Those of frames are from the same resamples, those of videos from
          DeLong's test;
        - `faces` and `videos`: the numbers of `real` and `forged` ones; `resamples`, `seed`,
          `pairs`.

    Raises:
        InputError: `pairs` is none of `PAIRS`.
        ValueError: the names have other faces, or one class only.
    """
    if pairs not in PAIRS:
        raise InputError(f"pairs must be one of {', '.join(PAIRS)}. Received: {pairs!r}")
    first = next(iter(columns.values()))
    for name, frames in columns.items():
        for column in ("label", "dataset", "method", "video"):
            if not np.array_equal(frames[column], first[column]):
                raise ValueError(f"Expected the same faces. Received: other ones in {name!r}")
    videos = {name: scoring.by_video(frames) for name, frames in columns.items()}
    numbers = scoring.video_numbers(first)
    draws = {"resamples": resamples, "seed": seed}
    frame, resampled = _measured(columns, numbers, draws)
    video, _ = _measured(videos, np.arange(numbers.max() + 1), draws)
    of_videos = next(iter(videos.values()))["label"]
    differences: list[dict[str, Any]] = []
    for one, other in _pairs(list(columns), pairs):
        at_frames, at_videos = (
            {
                "difference": level[one]["overall"]["auc"] - level[other]["overall"]["auc"],
                "interval": None,
                "p": None,
            }
            for level in (frame, video)
        )
        if resampled is not None:
            gaps = resampled[one] - resampled[other]
            at_frames["interval"] = significance.interval(gaps)
            at_frames["p"] = significance.two_sided_p(gaps)
            scores = (videos[name]["score"] for name in (one, other))
            _, at_videos["interval"], at_videos["p"] = significance.delong(of_videos, *scores)
        differences.append({"first": one, "second": other, "frame": at_frames, "video": at_videos})
    for level in ("frame", "video"):
        corrected = significance.holm([each[level]["p"] for each in differences])
        for each, p in zip(differences, corrected, strict=True):
            each[level]["p_holm"] = p
    return {
        "runs": {name: {"frame": frame[name], "video": video[name]} for name in columns},
        "differences": differences,
        "faces": _counts(first["label"]),
        "videos": _counts(of_videos),
        "pairs": pairs,
        "resamples": resamples,
        "seed": seed,
    }


def _pairs(names, pairs):
    if pairs == "first":
        return [(names[0], other) for other in names[1:]]
    return list(itertools.combinations(names, 2))


def _measured(columns, videos, draws):
    """Return metrics by name, and the resampled AUCs of all methods together by name or `None`."""
    known = next(iter(columns.values()))
    scores = np.stack([each["score"] for each in columns.values()])
    everything = np.ones(len(videos), bool)
    found, whole = _of_group(columns, scores, videos, everything, draws)
    measured = {name: {"overall": metrics, "methods": {}} for name, metrics in found.items()}
    for method in metrics_report.methods_of(known):
        rows = metrics_report.against_real(known, method)
        for name, metrics in _of_group(columns, scores, videos, rows, draws)[0].items():
            measured[name]["methods"][method] = metrics
    return measured, whole


def _of_group(columns, scores, videos, rows, draws):
    """Return metrics by name of some rows, and their resampled AUCs by name or `None`."""
    labels, own = next(iter(columns.values()))["label"][rows], videos[rows]
    resampled = None
    if min(len(np.unique(own[labels == label])) for label in (0, 1)) > 1:
        _, drawn = significance.bootstrap_auc(labels, scores[:, rows], own, **draws)
        resampled = dict(zip(columns, drawn, strict=True))
    found = {}
    for name, row in zip(columns, scores, strict=True):
        interval = None if resampled is None else significance.interval(resampled[name])
        found[name] = {**metrics_report.of(labels, row[rows]), "auc_interval": interval}
    return found, resampled


def _counts(labels):
    return {"real": int((labels == 0).sum()), "forged": int((labels == 1).sum())}
