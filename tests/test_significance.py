"""Intervals and tests of AUCs against brute force, published numbers, and simulated data."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lrl_keras.evaluation.significance import bootstrap_auc, delong, holm, interval, two_sided_p

# DeLong, DeLong and Clarke-Pearson (1988), as in SAS/STAT's documentation of PROC LOGISTIC,
# 'Comparing Receiver Operating Characteristic Curves': albumin, total protein, K-G score, outcome.
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""


def clips(real, forged, frames, seed=0, shift=1.0, detectors=2, decimals=None):
    """Labels, scores and video numbers: the frames of a video share half of their noise."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 2 * frames, real + forged)
    videos = np.repeat(np.arange(real + forged), sizes)
    labels = (videos >= real).astype(int)
    common = rng.normal(size=(detectors, real + forged))[:, videos]
    scores = shift * labels + common + rng.normal(size=(detectors, len(videos)))
    order = rng.permutation(len(videos))
    scores = scores if decimals is None else np.round(scores, decimals)
    return labels[order], scores[:, order], videos[order]


@pytest.mark.parametrize("decimals", [None, 0])
def test_auc_is_that_of_scikit_learn_and_mann_whitney(decimals):
    labels, scores, videos = clips(9, 13, 6, decimals=decimals)
    aucs, _ = bootstrap_auc(labels, scores, videos, resamples=1)
    for auc, row in zip(aucs, scores, strict=True):
        assert auc == pytest.approx(roc_auc_score(labels, row), abs=1e-12)
        u = stats.mannwhitneyu(row[labels == 1], row[labels == 0]).statistic
        assert auc == pytest.approx(u / (labels == 1).sum() / (labels == 0).sum(), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 0])
def test_a_resample_is_what_its_videos_give_side_by_side(decimals):
    labels, scores, videos = clips(5, 8, 4, decimals=decimals)
    _, resampled = bootstrap_auc(labels, scores, videos, resamples=20, seed=3)
    rng = np.random.default_rng(3)
    counts = [rng.multinomial(size, [1 / size] * size, 20) for size in (5, 8)]
    for number, drawn in enumerate(np.concatenate(counts, axis=1)):
        rows = np.concatenate(
            [np.tile(np.flatnonzero(videos == v), n) for v, n in enumerate(drawn)]
        )
        rows = rows.astype(int)
        for row, found in zip(scores, resampled, strict=True):
            assert found[number] == pytest.approx(roc_auc_score(labels[rows], row[rows]), abs=1e-12)


def test_all_detectors_share_their_draws():
    labels, scores, videos = clips(6, 9, 5)
    aucs, both = bootstrap_auc(labels, scores, videos, resamples=50)
    _, alone = bootstrap_auc(labels, scores[1], videos, resamples=50)
    np.testing.assert_array_equal(both[1], alone[0])
    _, same = bootstrap_auc(labels, scores[[0, 0]], videos, resamples=50)
    np.testing.assert_array_equal(same[0], same[1])
    # Another seed gives other draws, of the same AUC.
    again, other = bootstrap_auc(labels, scores, videos, resamples=50, seed=1)
    assert (again == aucs).all()
    assert (other != both).any()


def test_frames_and_videos_of_one_order_share_their_draws():
    labels = np.repeat([0, 1, 0, 1, 1], 3)
    videos, scores = np.repeat(np.arange(5), 3), np.repeat([0.1, 0.2, 0.4, 0.3, 0.7], 3)
    _, frames = bootstrap_auc(labels, scores, videos, resamples=30)
    _, whole = bootstrap_auc(labels[::3], scores[::3], np.arange(5), resamples=30)
    np.testing.assert_array_equal(frames, whole)


def test_the_spread_of_resamples_is_that_of_new_videos():
    """Of frames that resemble each other, where resamples of frames would be far too narrow."""
    found = [clips(40, 60, 8, seed, shift=0.8, detectors=1) for seed in range(150)]
    drawn = [bootstrap_auc(*each, resamples=100) for each in found]
    true = np.std([aucs[0] for aucs, _ in drawn], ddof=1)
    assert np.mean([resampled[0].std(ddof=1) for _, resampled in drawn]) == pytest.approx(
        true, rel=0.2
    )
    labels, scores, _ = found[0]
    _, frames = bootstrap_auc(labels, scores, np.arange(labels.size), resamples=100)
    assert frames[0].std() < 0.7 * true


def test_interval_holds_its_share():
    values = np.random.default_rng(0).permutation(np.arange(1001) / 1000)
    assert interval(values) == pytest.approx((0.025, 0.975))
    assert interval(values, 0.5) == pytest.approx((0.25, 0.75))


@pytest.mark.parametrize(
    ("differences", "p"),
    [([0.1] * 99, 0.02), ([-0.1] * 99, 0.02), ([0.0] * 99, 1), ([0.1] * 89 + [-0.1] * 10, 0.22)],
)
def test_two_sided_p_by_hand(differences, p):
    assert two_sided_p(differences) == pytest.approx(p)


def components(labels, scores):
    """AUC and its error from all pairs, as in the paper: by the definition, in O(N²)."""
    kernel = []
    for row in scores:
        forged, real = row[labels == 1][:, None], row[labels == 0][None]
        kernel.append((forged > real) + 0.5 * (forged == real))
    kernel = np.array(kernel)
    m, n = kernel.shape[1:]
    covariance = np.cov(kernel.mean(axis=2)) / m + np.cov(kernel.mean(axis=1)) / n
    return kernel.mean(axis=(1, 2)), covariance


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("sizes", [(2, 2), (3, 40), (150, 90)])
def test_delong_equals_all_pairs(sizes, decimals):
    rng = np.random.default_rng(sum(sizes))
    labels = np.repeat([0, 1], sizes)
    scores = labels + rng.normal(size=(2, labels.size)) + rng.normal(size=labels.size)
    scores = scores if decimals is None else np.round(scores, decimals)
    aucs, covariance = components(labels, scores)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference, (least, most), p = delong(labels, *scores)
    assert difference == pytest.approx(aucs[0] - aucs[1], abs=1e-12)
    assert (most - least) / 2 == pytest.approx(1.959964 * error, rel=1e-6)
    if error > 0:
        assert p == pytest.approx(2 * stats.norm.cdf(-abs(difference) / error), rel=1e-9)


def test_delong_on_the_papers_patients():
    albumin, protein, score, outcome = np.array(PATIENTS.split(), float).reshape(-1, 4).T
    assert (outcome.size, outcome.sum()) == (43, 31)
    # As SAS prints them: difference from the K-G score, its 95 % interval, p.
    for values, difference, ends, p in (
        (albumin, 0.0108, (-0.1761, 0.1976), 0.9102),
        (protein, -0.0780, (-0.2830, 0.1271), 0.4561),
    ):
        found = delong(outcome, values, 10 - score)
        assert found[0] == pytest.approx(difference, abs=5.1e-5)
        assert found[1] == pytest.approx(ends, abs=5.1e-5)
        assert found[2] == pytest.approx(p, abs=5.1e-5)


def test_bootstrap_and_delong_agree_on_independent_cases():
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1], (150, 250))
    scores = labels + rng.normal(size=(2, 400)) + rng.normal(size=400)
    _, resampled = bootstrap_auc(labels, scores, np.arange(400), resamples=4000)
    gaps = resampled[0] - resampled[1]
    difference, (least, most), p = delong(labels, *scores)
    assert gaps.std() == pytest.approx((most - least) / 2 / 1.959964, rel=0.06)
    assert gaps.mean() == pytest.approx(difference, abs=0.002)
    assert interval(gaps) == pytest.approx((least, most), abs=0.006)
    assert two_sided_p(gaps) == pytest.approx(p, abs=0.04)


def test_equal_detectors_differ_by_chance_as_often_as_p_says():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], (60, 80))
    found = [
        delong(labels, *(labels + rng.normal(size=(2, 140)) + rng.normal(size=140)))[2]
        for _ in range(600)
    ]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_delong_without_spread():
    labels = np.array([0, 0, 1, 1])
    assert delong(labels, labels, labels) == (0, (0, 0), 1)
    assert delong(labels, labels, 3 * labels + 1) == (0, (0, 0), 1)
    assert delong(labels, labels, -labels) == (1, (1, 1), None)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, None, 0.03]) == pytest.approx([0.06, None, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("labels", "scores", "videos", "message"),
    [
        ([0, 0], [[1, 2]], [0, 1], "both classes"),
        ([0, 2], [[1, 2]], [0, 1], "0 and 1"),
        ([0, 1], [[1, 2, 3]], [0, 1], "as many scores"),
        ([0, 1], [[1, np.nan]], [0, 1], "finite"),
        ([0, 1], [[1, 2]], [0], "1 videos, 2 labels"),
        ([0, 1], [[1, 2]], [4, 4], "4 with both"),
    ],
)
def test_what_cannot_be_resampled(labels, scores, videos, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_auc(labels, scores, videos)


def test_delong_needs_two_of_each_class():
    with pytest.raises(ValueError, match="1 real, 2 forged"):
        delong([0, 1, 1], [1, 2, 3], [1, 2, 3])
