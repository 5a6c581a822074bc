"""Figures of an evaluation against references made by hand from its scores."""

import csv
import json

import numpy as np
import photographs
import pytest
from PIL import Image
from scipy.optimize import brentq

import lrl_keras
from lrl_keras.errors import InputError
from lrl_keras.evaluation.evaluator import evaluate


@pytest.fixture(scope="module")
def evaluated(photograph_records, tmp_path_factory):
    model = lrl_keras.LRL("tiny", image_size=64, patches=4)
    out = tmp_path_factory.mktemp("evaluation")
    result = evaluate(model, photograph_records, "train", out=out, progress=False)
    with open(out / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return model, result, out, rows


def _auc(labels, scores):
    """Share of (forged, real) pairs in the right order, ties half."""
    forged, real = scores[labels == 1][:, None], scores[labels == 0][None]
    return ((forged > real) + 0.5 * (forged == real)).mean()


def _rows(rows, methods=None):
    chosen = [r for r in rows if methods is None or r["method"] in ("real", *methods)]
    labels = np.array([int(r["label"]) for r in chosen])
    return labels, np.array([float(r["score"]) for r in chosen]), chosen


def test_every_example_is_scored_once(evaluated):
    _, result, _, rows = evaluated
    assert len(rows) == 2 * (12 + 12 + 7 + 11)
    assert len({(r["method"], r["video"], r["frame"]) for r in rows}) == len(rows)
    overall = result["frame"]["overall"]
    assert (overall["real"], overall["forged"]) == (24, 60)


def test_frame_figures(evaluated):
    _, result, _, rows = evaluated
    cases = {None: result["frame"]["overall"], **result["frame"]["methods"]}
    assert set(result["frame"]["methods"]) == {"Deepfakes", "FaceSwap", "Face2Face"}
    for method, figures in cases.items():
        labels, scores, _ = _rows(rows, method and (method,))
        calls = scores > 0.5
        right = calls == (labels == 1)
        assert figures["accuracy"] == pytest.approx(right.mean(), abs=1e-9)
        balanced = (right[labels == 0].mean() + right[labels == 1].mean()) / 2
        assert figures["balanced_accuracy"] == pytest.approx(balanced, abs=1e-9)
        assert figures["recall"] == pytest.approx(right[labels == 1].mean(), abs=1e-9)
        assert figures["auc"] == pytest.approx(_auc(labels, scores), abs=1e-9)
        thresholds = np.sort(np.unique(scores))[::-1]
        tpr = [0, *((scores[labels == 1] >= t).mean() for t in thresholds)]
        fpr = [0, *((scores[labels == 0] >= t).mean() for t in thresholds)]
        eer = brentq(lambda x, f=fpr, t=tpr: 1 - x - np.interp(x, f, t), 0, 1)
        assert figures["eer"] == pytest.approx(eer, abs=0.02)


def test_videos_of_one_name_are_told_apart_by_method(evaluated):
    _, result, _, rows = evaluated
    videos = {}
    for row in rows:
        videos.setdefault((row["method"], row["video"]), []).append(float(row["score"]))
    overall = result["video"]["overall"]
    # Deepfakes and FaceSwap both have a video called astronaut_x, and one called coffee_x.
    assert (overall["real"], overall["forged"]) == (2, 6)
    labels = np.array([method != "real" for method, _ in videos]).astype(int)
    scores = np.array([np.mean(values) for values in videos.values()])
    assert overall["auc"] == pytest.approx(_auc(labels, scores), abs=1e-6)


def test_scores_are_the_models(evaluated, photograph_records):
    model, _, _, rows = evaluated
    batch = next(
        lrl_keras.data.examples(
            photograph_records, "train", image_size=64, batch_size=5
        ).as_numpy_iterator()
    )
    expected = model.predict(batch["image"], verbose=0)["label"][:, 0]
    np.testing.assert_allclose([float(r["score"]) for r in rows[:5]], expected, atol=1e-5)


def test_files_say_what_was_measured(evaluated, photograph_records):
    _, result, out, _ = evaluated
    written = json.loads((out / "metrics.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert written["model"]["backbone"] == "tiny"
    shards = json.loads((photograph_records / "manifest.json").read_text())["shards"]
    assert written["records"]["shards"] == shards
    for name in ("roc.png", "scores.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 200


def test_one_class_is_refused(tmp_path):
    real = list(photographs.clip(photographs.data.coffee(), "coffee", "real", 3))
    records = photographs.write_records(tmp_path / "records", [("test", real)])
    model = lrl_keras.LRL("tiny", image_size=64, patches=4)
    with pytest.raises(InputError, match="3 real and 0 forged"):
        evaluate(model, records, progress=False)
    with pytest.raises(InputError, match="'val'"):
        evaluate(model, records, "val", progress=False)
