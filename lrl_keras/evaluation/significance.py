"""Uncertainty of AUCs and of their differences, from labels and scores alone.

The frames of a video resemble each other, so that videos are what chance draws: the bootstrap
resamples them, and DeLong's test takes one score a video.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

# AUCs that differ by less are equal.
_ROUNDING = 1e-12


def bootstrap_auc(
    labels: ArrayLike,
    scores: ArrayLike,
    videos: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute AUCs of scores, and of resamples of the videos that the scores belong to.

    A resample draws as many real videos as there are from the real ones, and as many forged ones
    from the forged ones, with replacement, each with all of its frames. All rows of `scores` get
    the same draws, so that their differences are paired; so do frames and videos of one order.

    Args:
        labels: array (N,) of 0 (real) and 1 (forged), with both.
        scores: array (K, N) of K detectors, higher = more likely forged.
        videos: array (N,) that tells videos apart, e.g. by numbers.
        resamples: number B of resamples. Defaults to 1000.
        seed: of the draws. Defaults to 0.

    Returns:
        tuple (AUCs (K,), AUCs of the resamples (K, B)).

    Raises:
        ValueError: for other shapes or labels, one class only, scores that are not finite, or a
            video that is real and forged.

    Reference:
        Efron and Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993.
    """
    forged, rows = _checked(labels, scores)
    keys = np.asarray(videos).reshape(-1)
    if keys.shape != forged.shape or resamples < 1:
        raise ValueError(
            "Expected as many videos as labels and at least 1 resample. "
            f"Received: {keys.size} videos, {forged.size} labels, resamples={resamples}"
        )
    names, of_real, real_sizes = _numbered(keys[~forged])
    forged_names, of_forged, forged_sizes = _numbered(keys[forged])
    both = np.intersect1d(names, forged_names)
    if both.size:
        raise ValueError(f"Expected videos of one label. Received: {both[0]} with both")
    rng = np.random.default_rng(seed)
    draws = [
        rng.multinomial(size, np.full(size, 1 / size), resamples).astype("float64")
        for size in (len(names), len(forged_names))
    ]
    pairs = (draws[0] @ real_sizes) * (draws[1] @ forged_sizes)
    whole, resampled = [], []
    for row in rows:
        wins = _wins(row[~forged], of_real, row[forged], of_forged)
        whole.append(wins.sum() / (real_sizes.sum() * forged_sizes.sum()))
        resampled.append(((draws[1] @ wins) * draws[0]).sum(axis=1) / pairs)
    return np.array(whole), np.array(resampled)


def interval(resampled: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of the values of resamples.

    Args:
        resampled: array (B,).
        level: share of the values inside. Defaults to 0.95.
    """
    least, most = np.quantile(np.asarray(resampled), [(1 - level) / 2, (1 + level) / 2])
    return float(least), float(most)


def two_sided_p(differences: ArrayLike) -> float:
    """Return the two-sided p of no difference: twice the share of resamples beyond zero.

    The share counts one resample more on each side (Davison and Hinkley, "Bootstrap Methods and
    their Application", Cambridge 1997, Eq. 4.11): p is at least 2 / (B + 1).

    Args:
        differences: array (B,) of the resamples' differences.
    """
    found = np.asarray(differences)
    beyond = min((found <= 0).sum(), (found >= 0).sum())
    return float(min(1, 2 * (beyond + 1) / (found.size + 1)))


def delong(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95
) -> tuple[float, tuple[float, float], float | None]:
    """Compare the AUCs of two scores of the same independent cases by DeLong's test.

    Args:
        labels: array (N,) of 0 (real) and 1 (forged), at least two of each.
        first, second: arrays (N,), higher = more likely forged; one score a video, for the test
            takes cases for independent.
        level: of the interval. Defaults to 0.95.

    Returns:
        tuple (AUC of the first minus that of the second, its interval, two-sided p); p is `None`
        where there is a difference without any spread, as between scores that separate the
        classes and scores that invert them.

    Raises:
        ValueError: as `bootstrap_auc`, or for a single case of a class.

    Reference:
        DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated
        Receiver Operating Characteristic Curves", Biometrics 44, 1988; by mid-ranks as in Sun and
        Xu, "Fast Implementation of DeLong's Algorithm", IEEE Signal Processing Letters 21, 2014.
    """
    called, scores = _checked(labels, np.stack([np.ravel(first), np.ravel(second)]))
    forged, real = scores[:, called], scores[:, ~called]
    if min(forged.shape[1], real.shape[1]) < 2:
        raise ValueError(
            "Expected two cases of each class or more. "
            f"Received: {real.shape[1]} real, {forged.shape[1]} forged"
        )
    ranks = stats.rankdata(np.concatenate([forged, real], axis=1), axis=1)
    among_all = np.split(ranks, [forged.shape[1]], axis=1)
    # How many of the other class lie below a case, ties half.
    below = [
        among - stats.rankdata(own, axis=1)
        for among, own in zip(among_all, (forged, real), strict=True)
    ]
    of_forged = np.subtract(*below[0]) / real.shape[1]
    # A real case that more forged ones lie below is a worse one.
    of_real = np.subtract(*below[1][::-1]) / forged.shape[1]
    difference = float(of_forged.mean())
    error = np.sqrt(sum(part.var(ddof=1) / part.size for part in (of_forged, of_real)))
    reach = float(stats.norm.ppf((1 + level) / 2) * error)
    p: float | None = 1.0
    if error > _ROUNDING:
        p = float(2 * stats.norm.sf(abs(difference) / error))
    elif abs(difference) > _ROUNDING:
        p = None
    return difference, (max(difference - reach, -1.0), min(difference + reach, 1.0)), p


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Correct several p for their number, so that any error among them is as rare as one alone.

    Args:
        p: the values; `None` stays so and does not count.

    Reference:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
        Statistics 6, 1979.
    """
    known = sorted((value, index) for index, value in enumerate(p) if value is not None)
    raised = (min(1.0, value * (len(known) - rank)) for rank, (value, _) in enumerate(known))
    growing = itertools.accumulate(raised, max)
    corrected = {index: value for (_, index), value in zip(known, growing, strict=True)}
    return [corrected.get(index) for index in range(len(p))]


def _checked(labels, scores):
    """Return which entries are forged, and the scores as an array of two dimensions."""
    labels = np.asarray(labels).reshape(-1)
    scores = np.atleast_2d(np.asarray(scores, "float64"))
    if scores.shape[1:] != labels.shape or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            "Expected labels of 0 and 1, and as many scores in each row. "
            f"Received: {labels.size} labels, scores of shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError("Expected finite scores. Received: NaN or infinity among them")
    if len(np.unique(labels)) < 2:
        raise ValueError(f"Expected both classes. Received: labels {np.unique(labels).tolist()}")
    return labels == 1, scores


def _numbered(videos):
    """Return the different videos, the number of each entry's video, and entries of each."""
    return np.unique(videos, return_inverse=True, return_counts=True)


def _wins(real, of_real, forged, of_forged):
    """Count, for each forged and each real video, the pairs of frames in the right order.

    Returns:
        array (forged videos, real videos); ties count half.
    """
    order = np.argsort(forged)
    forged, of_forged = forged[order], of_forged[order]
    wins = np.empty((of_forged.max() + 1, of_real.max() + 1))
    ends = np.cumsum(np.bincount(of_real))[:-1]
    by_video = real[np.lexsort((real, of_real))]
    for video, own in enumerate(np.split(by_video, ends)):
        below = np.searchsorted(own, forged, "left") + np.searchsorted(own, forged, "right")
        wins[:, video] = np.bincount(of_forged, below / 2, len(wins))
    return wins
