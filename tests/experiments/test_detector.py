import json

import numpy as np
import pytest
from people import person, save
from sklearn.metrics import roc_auc_score

import lrl_keras
from experiments import detector
from lrl_keras import data
from lrl_keras.saving.run import Run


@pytest.mark.long
def test_the_detector_from_faces_to_report(tmp_path, capsys):
    for number in range(12):
        save(tmp_path / "people" / f"p{number}" / "a.png", person(number))
    out = tmp_path / "out"
    argv = [out, "--faces", tmp_path / "people", "--smoke"]
    assert detector.main([str(each) for each in argv]) == 0
    assert capsys.readouterr().out.split() == [f"{out}/detector.md", f"{out}/detector.json"]
    found = json.loads((out / "detector.json").read_text())
    assert all(each["finished"] for each in found["runs"].values())
    starts = {each["settings"]["start"] for each in found["runs"].values()}
    assert {run for run in found["runs"] if run in starts} == starts - {None}
    assert len(found["compared"]) == 7
    # What was written is what was measured, and what can be shipped.
    shipped = out / detector.SHIPPED
    network = lrl_keras.load(shipped)
    scores, labels = [], []
    options = {"batch_size": 4, "image_size": network.image_size}
    for batch in data.examples(out / "records" / "faces-64", "test", **options):
        scores.extend(np.asarray(network(batch["image"])["label"])[:, 0])
        labels.extend(batch["label"].numpy())
    figures = found["shipped"]["figures"]["made here"]["frame"]["overall"]
    assert figures["auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert set(Run.open(shipped).calibration) == {"scale", "shift"}
    times = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.*")}
    # Measured on records that were made before: nothing is trained again.
    assert detector.main([*map(str, argv), "--measure", str(out / "records" / "faces-64")]) == 1
    assert "split 'train' holds faces" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.*")} == times
