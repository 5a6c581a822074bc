"""What TensorBoard's own server answers about runs that were trained here."""

import contextlib
import csv
import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score

from lrl_keras import data
from lrl_keras.metrics import EqualErrorRate, equal_error_rate
from lrl_keras.training import tensorboard
from lrl_keras.training.trainer import Settings, train

# All wait for three trainings.
pytestmark = pytest.mark.long

COMMON = {
    "backbone": "tiny",
    "weights": None,
    "image_size": 64,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "halve_every": 1,
}
SETTINGS = {
    "resumed": Settings(**COMMON, patches=4),
    "baseline": Settings("classifier", **COMMON),
}
LOSSES = {
    "resumed": {"loss", "label_loss", "similarity_loss", "mask_loss"},
    "baseline": {"loss"},
}


@pytest.fixture(scope="module")
def grid(photograph_records, tmp_path_factory):
    """A folder of two runs, one of them resumed and behind a URL, and the models trained in it."""
    folder = tmp_path_factory.mktemp("grid")
    url = f"file://{folder}/resumed"
    half = Settings(**{**COMMON, "epochs": 1}, patches=4)
    train(photograph_records, url, half, verbose=0)
    models = {
        "resumed": train(photograph_records, url, SETTINGS["resumed"], resume=True, verbose=0),
        "baseline": train(photograph_records, folder / "baseline", SETTINGS["baseline"], verbose=0),
    }
    return folder, models


@pytest.fixture(scope="module")
def spread(grid):
    """Labels and scores of a plain model whose curve lies in the grid's folder, well spread."""
    folder, _ = grid
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (600, 1))
    points = rng.normal(labels, 1, (600, 2)).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=[EqualErrorRate()])
    model.fit(
        points[:300],
        labels[:300],
        validation_data=(points[300:], labels[300:]),
        epochs=2,
        verbose=0,
        callbacks=[tensorboard.PrecisionRecall(folder / "spread" / "logs" / "curves")],
    )
    return labels[300:, 0], model.predict(points[300:], verbose=0)[:, 0]


@pytest.fixture(scope="module")
def board(grid, spread):
    """A function that asks a TensorBoard of the grid over HTTP."""
    folder, _ = grid
    with _tensorboard(folder) as ask:
        yield ask


@pytest.fixture(scope="module")
def predictions(grid, spread, photograph_records):
    """Labels and scores of the validation split by the last weights."""
    _, models = grid
    found = {"spread": spread}
    for name, model in models.items():
        batches = data.load(photograph_records, "val", batch_size=7, image_size=64)
        pairs = [(targets["label"], model.predict_on_batch(x)) for x, targets, _ in batches]
        labels = np.concatenate([label.numpy() for label, _ in pairs])[:, 0].astype(int)
        found[name] = labels, np.concatenate([outputs["label"] for _, outputs in pairs])[:, 0]
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_every_loss_rate_and_figure_is_a_curve(name, grid, board):
    folder, _ = grid
    with open(folder / name / "history.csv") as file:
        history = list(csv.DictReader(file))
    figures = LOSSES[name] | {"label_auc", "label_accuracy", "label_eer"}
    written = {("train", "learning_rate"): "learning_rate"}
    written |= {("train", figure): figure for figure in figures}
    written |= {("validation", figure): f"val_{figure}" for figure in figures}
    for (part, tag), column in written.items():
        run = f"{name}/logs/{part}"
        points = board("scalars/scalars", run=run, tag=f"epoch_{tag}")
        assert [step for _, step, _ in points] == [0, 1]
        expected = [float(row[column]) for row in history]
        np.testing.assert_allclose([value for *_, value in points], expected, rtol=1e-6)
    tags = set(board("scalars/tags")[f"{name}/logs/train"])
    assert {tag for tag in tags if tag.endswith("loss")} == {
        f"epoch_{loss}" for loss in LOSSES[name]
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_last_figures_are_those_of_the_last_weights(name, board, predictions):
    labels, scores = predictions[name]
    expected = {
        # Keras judges by 1000 thresholds, and these scores hardly differ.
        "auc": roc_auc_score(labels, np.ceil(scores * 999)),
        "accuracy": accuracy_score(labels, scores > 0.5),
        "eer": equal_error_rate(labels, np.round(scores, 3)),
    }
    run = f"{name}/logs/validation"
    for figure, value in expected.items():
        shown = board("scalars/scalars", run=run, tag=f"epoch_label_{figure}")[-1][2]
        assert shown == pytest.approx(value, abs=2e-3), figure


@pytest.mark.parametrize("name", [*SETTINGS, "spread"])
def test_precision_recall_curve_is_that_of_the_validation_scores(name, board, predictions):
    labels, scores = predictions[name]
    run = f"{name}/logs/curves"
    curves = board("pr_curves/pr_curves", run=run, tag="label/pr_curves")[run]
    assert [curve["step"] for curve in curves] == [0, 1]
    shown = curves[1]
    np.testing.assert_allclose(shown["thresholds"], np.arange(len(shown["thresholds"])) / 200)
    thousandths = scores.astype("float64") * 1000
    compared = set()
    for i in range(len(shown["thresholds"])):
        # A score is rounded to thousandths. Halves may go either way, as batches are computed.
        if np.abs(thousandths - (5 * i - 0.5)).min() < 0.01:
            continue
        forged = thousandths > 5 * i - 0.5
        assert shown["true_positives"][i] == np.sum(forged & (labels == 1))
        assert shown["false_positives"][i] == np.sum(forged & (labels == 0))
        assert shown["true_negatives"][i] == np.sum(~forged & (labels == 0))
        assert shown["false_negatives"][i] == np.sum(~forged & (labels == 1))
        precision = precision_score(labels, forged, zero_division=0)
        assert shown["precision"][i] == pytest.approx(precision, abs=1e-6)
        assert shown["recall"][i] == pytest.approx(recall_score(labels, forged), abs=1e-6)
        compared.add(int(forged.sum()))
    # Scores of networks this young hardly differ.
    assert len(compared) > (50 if name == "spread" else 0)


def test_pictures_are_those_that_the_network_has(board):
    tags = board("images/tags")
    faces = {"face", "mask"}
    assert set(tags["baseline/logs/pictures"]) == faces
    assert set(tags["resumed/logs/pictures"]) == faces | {
        "frequency",
        "mask_predicted",
        "similarity",
    }


def test_grid_has_one_row_a_run_with_its_settings_and_best_figures(grid, board, photograph_records):
    folder, _ = grid
    experiment = board("hparams/experiment", request="{}")
    settings = {info["name"]: info["differs"] for info in experiment["hparamInfos"]}
    assert {name for name, differs in settings.items() if differs} == {"detector"}
    figures = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert figures == {"best_epoch", "best_auc", "best_accuracy", "best_eer"}
    rows = {row["name"]: row for row in _rows(board, experiment)}
    assert set(rows) == {
        f"resumed (file://{folder}/resumed)",
        f"baseline ({folder / 'baseline'})",
    }
    for row in rows.values():
        name = row["name"].split()[0]
        (session,) = row["sessions"]
        assert session["name"] == f"{name}/logs/hparams"
        with open(folder / name / "history.csv") as file:
            best = max(csv.DictReader(file), key=lambda line: float(line["val_label_auc"]))
        found = {metric["name"]["tag"]: metric["value"] for metric in row["metricValues"]}
        assert found["best_epoch"] == int(best["epoch"])
        for figure in ("auc", "accuracy", "eer"):
            expected = float(best[f"val_label_{figure}"])
            assert found[f"best_{figure}"] == pytest.approx(expected, rel=1e-6)
        assert row["hparams"]["records"] == str(photograph_records)
        # Of the resumed run, and not of its first half.
        assert row["hparams"]["epochs"] == 2
        assert row["hparams"]["learning_rate"] == 1e-3
        assert row["hparams"]["weights"] == row["hparams"]["methods"] == "none"
        assert row["hparams"].get("similarity") is (True if name == "resumed" else None)


def test_one_runs_own_logs_are_a_grid_of_one(grid):
    folder, _ = grid
    with _tensorboard(folder / "baseline" / "logs") as ask:
        (row,) = _rows(ask, ask("hparams/experiment", request="{}"))
    assert row["hparams"]["detector"] == "classifier"
    assert len(row["metricValues"]) == 4


def _rows(ask, experiment):
    """The table of HParams as its page asks for it."""
    columns = [{"hparam": info["name"]} for info in experiment["hparamInfos"]]
    columns += [{"metric": info["name"]} for info in experiment["metricInfos"]]
    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    wanted = {"allowedStatuses": statuses, "colParams": columns, "startIndex": 0, "sliceSize": 100}
    return ask("hparams/session_groups", request=json.dumps(wanted))["sessionGroups"]


@contextlib.contextmanager
def _tensorboard(folder):
    """A server's process; yields a function of a plugin's route and its query."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0"]
    # All is read before the server listens.
    command += ["--load_fast", "false", "--reload_task", "blocking", "--reload_interval", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = None
        while address is None:
            line = process.stderr.readline()
            assert line, "TensorBoard ended before it listened"
            address = re.search(r"http://localhost:\d+/", line)

        def ask(route, **query):
            url = f"{address[0]}data/plugin/{route}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)

        yield ask
    finally:
        process.terminate()
        process.communicate(timeout=60)
