"""The demo as `make demo` runs it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from lrl_keras.media import images
from tfrecords.sources import photographs


@pytest.mark.long
def test_demo_separates_forgeries_of_photographs_never_trained_on(tmp_path):
    command = [sys.executable, "-m", "lrl_keras.cli", "demo", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=840)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "demo" / "run"
    with open(run / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    tested = {row["video"] for row in rows}
    clips = json.loads((tmp_path / "demo" / "records" / "manifest.json").read_text())["clips"]
    trained = {clip["video"] for clip in clips if clip["split"] != "test"}
    assert tested.isdisjoint(trained)
    auc = roc_auc_score([int(r["label"]) for r in rows], [float(r["score"]) for r in rows])
    assert auc >= 0.90
    assert "predictions.png" in done.stdout
    for name in ("forgeries.png", "predictions.png"):
        with Image.open(tmp_path / "demo" / name) as picture:
            assert min(picture.size) > 300


def test_forgery_differs_inside_its_mask_only():
    photograph = images.read_image(photographs.ROOT / "astronaut.png")
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cut, (x0, y0, x1, y1) = photographs.random_cut(photograph, 64, rng)
        assert 0 <= x0 < x1 <= 512
        assert 0 <= y0 < y1 <= 512
        assert x1 - x0 == y1 - y0
        forged, mask = photographs.self_blend(cut, rng)
        assert 0 <= forged.min() <= forged.max() <= 1
        change = np.abs(forged - cut).max(axis=-1)
        outside = np.ones((64, 64), bool)
        # The soft border reaches at most 13 % of a radius of at most 0.38 beyond the mask.
        for y, x in np.argwhere(mask):
            outside[max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6] = False
        assert not change[outside].any()
        assert change[mask == 1].mean() > 0.005
        assert change.mean() < 0.2
        again = np.random.default_rng(seed)
        same, _ = photographs.self_blend(photographs.random_cut(photograph, 64, again)[0], again)
        np.testing.assert_array_equal(same, forged)
