import json
from pathlib import Path

import numpy as np
import pytest
from people import person, save
from scipy import stats
from sklearn.metrics import roc_auc_score
from trees import write_ffpp

from experiments import portraits


@pytest.mark.long
def test_the_study_from_faces_to_report(tmp_path, capsys):
    for number in range(10):
        save(tmp_path / "people" / f"p{number}.png", person(number))
    out, unseen = tmp_path / "out", write_ffpp(tmp_path / "ffpp", ("c23",))
    argv = [out, "--portraits", tmp_path / "people", "--ffpp", unseen, "--smoke"]
    argv += ["--image-size", 64]
    assert portraits.main([str(each) for each in argv]) == 0
    assert capsys.readouterr().out.split() == [f"{out}/portraits.md", f"{out}/portraits.json"]
    found = json.loads((out / "portraits.json").read_text())
    assert len(found["runs"]) == 2 * 7
    assert all(each["finished"] for each in found["runs"].values())
    for mode, other in (("self-blended", "swap"), ("swap", "self-blended")):
        assert set(found["figures"][mode]) == set(portraits.NETWORKS)
        run = run_of(found, mode, "classifier")
        scores = run / "test-portraits-64-self-blended-swap" / "scores.csv"
        table = np.genfromtxt(
            scores, delimiter=",", comments=None, names=True, dtype=None, encoding="utf-8"
        )
        for place, method in (("same", mode), ("other", other)):
            rows = (table["label"] == 0) | (table["method"] == method)
            auc = 100 * roc_auc_score(table["label"][rows], table["score"][rows])
            assert found["figures"][mode]["Classifier"][f"{place} auc"] == [pytest.approx(auc)]
        cells = json.loads((run / "robustness.json").read_text())["cells"]
        aucs = [cell["overall"]["auc"] for row in cells.values() for cell in row]
        degraded = found["figures"][mode]["Classifier"]["degraded auc"]
        assert degraded == [pytest.approx(100 * np.mean(aucs))]
    assert found["unseen"]["frame"]["overall"]["forged"] == 2 * 4 * 3 * 4
    text = (out / "portraits.md").read_text()
    assert "## FaceForensics++, never seen" in text
    assert "Seeds: 0." in text
    assert all(each["manifest_sha256"] in text for each in found["records"].values())
    times = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.*")}
    assert portraits.main([str(each) for each in argv]) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*.*")} == times


def run_of(found, mode, architecture):
    (run,) = (
        folder
        for folder, about in found["runs"].items()
        if about["settings"]["methods"] == [mode] and about["settings"]["detector"] == architecture
    )
    return Path(run)


def test_seeds_are_compared_in_pairs():
    places = [f"{place} auc" for place in ("same", "other", "degraded")]
    ours, theirs = [91.0, 88.0, 93.5], [90.0, 88.5, 90.0]
    found = {row: dict.fromkeys(places, theirs) for row in portraits.NETWORKS}
    found[portraits.WHOLE] = dict.fromkeys(places, ours)
    tests = {
        (test["row"], test["against"]): test
        for test in portraits._tests(found)
        if test["faces"] == "same"
    }
    against = tests[portraits.WHOLE, portraits.BASELINE]
    assert against["mean"] == pytest.approx(4 / 3)
    assert against["p"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert set(tests) == {
        *((row, portraits.BASELINE) for row in list(portraits.ABLATIONS)[1:]),
        (portraits.PLAIN_HEAD, portraits.BASELINE),
        (portraits.WHOLE, portraits.CLASSIFIER),
        (portraits.WHOLE, portraits.WITHOUT_MPSM),
        (portraits.WHOLE, portraits.PLAIN_HEAD),
        (portraits.WITHOUT_MPSM, portraits.WITHOUT_RFAM),
    }
    # The other rows differ by nothing, of which no test can say anything.
    assert all(test["p"] is None for pair, test in tests.items() if portraits.WHOLE not in pair)
