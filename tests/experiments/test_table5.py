import json

import numpy as np
import pytest
from people import person, save
from sklearn.metrics import roc_auc_score

import lrl_keras
from experiments import table5
from lrl_keras import data


@pytest.mark.long
def test_table_5_from_faces_to_report(tmp_path, capsys):
    for number in range(12):
        save(tmp_path / "people" / f"p{number}" / "a.png", person(number))
    out = tmp_path / "out"
    argv = [out, "--faces", tmp_path / "people", "--smoke", "--detectors", "steg_features"]
    argv = [*map(str, argv), "meso4"]
    assert table5.main(argv) == 0
    written = [out / f"table5.{kind}" for kind in ("md", "json", "png")]
    assert capsys.readouterr().out.split() == list(map(str, written))
    found = json.loads(written[1].read_text())
    done = {row for row, measured in found["systems"].items() if measured}
    assert done == {"Steg.Features", "Meso-4", table5.SHIPPED}
    # What was written is what was measured.
    (one,) = found["systems"]["Meso-4"]
    network = lrl_keras.load(one["folder"])
    faces = next(iter(data.examples(
        out / "records" / "faces-256-forged", "test", batch_size=64, image_size=network.image_size
    )))  # fmt: skip
    scores = np.asarray(network(faces["image"])["label"])[:, 0]
    expected = roc_auc_score(faces["label"], scores)
    assert one["figures"]["faces-256-forged"]["frame"]["overall"] == pytest.approx(expected)
    assert one["weights"] == network.count_params()
    assert one["images_per_second"] > 0
    (row,) = (line for line in written[0].read_text().splitlines() if line.startswith("| Meso-4"))
    assert f"| {100 * one['figures']['CRF 30']['overall']:.2f} | 0.0181 |" in row
    assert "| Xception | - |" in written[0].read_text()
