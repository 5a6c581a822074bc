"""Every table at smoke scale, on small trees of encoded videos in the official layouts."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from trees import write_celeb_df, write_dfd, write_dfdc_preview, write_ffpp

from experiments import table1, table2, table3, table4
from experiments.study import datasets, provenance

NOTHING_LOST = dict.fromkeys(
    ("missing_videos", "unusable_videos", "unpaired_videos", "dropped_frames"), 0
)


def state(folder):
    """When the records and runs below a folder were last written."""
    return {
        path: path.stat().st_mtime_ns
        for place in ("records", "runs")
        for path in (folder / place).rglob("*")
        if path.is_file()
    }


def read(path):
    return json.loads(Path(path).read_text())


@pytest.mark.long
def test_every_table_from_records_to_report(tmp_path, capsys):
    ffpp = write_ffpp(tmp_path / "ffpp", ("raw", "c23", "c40"))
    unseen = {
        "--celeb-df": write_celeb_df(tmp_path / "celeb"),
        "--dfdc": write_dfdc_preview(tmp_path / "dfdc"),
        "--dfd": write_dfd(tmp_path / "dfd"),
    }
    out = tmp_path / "out"
    common = [str(out), "--ffpp", str(ffpp), "--smoke", "--image-size", "64"]

    def run(table, *more):
        assert table.main([*common, *map(str, more)]) == 0
        name = table.__name__.rpartition(".")[2]
        assert capsys.readouterr().out.split() == [f"{out}/{name}.md", f"{out}/{name}.json"]
        return read(out / f"{name}.json"), (out / f"{name}.md").read_text()

    # Two machines, one after the other; the first report says what is missing.
    half, text = run(table4, "--index", 0, "--of", 2)
    assert sum(each["finished"] for each in half["runs"].values()) == 3
    assert "only 3 of 5 trainings are finished" in text
    whole, text = run(table4, "--index", 1, "--of", 2)
    assert all(each["finished"] for each in whole["runs"].values())
    assert "trainings are finished" not in text
    assert text.count("; the paper: L2 norm, Eq. (10)") == 1
    assert "test: 8 real and 32 forged faces" in text
    for row, cells in whole["rows"].items():
        for column, cell in cells.items():
            (run_folder,) = cell["runs"]
            metrics = read(f"{run_folder}/test-ffpp-c40/metrics.json")
            expected = 100 * metrics["frame"]["overall"][cell["figure"]]
            assert cell["frame"] == [expected]
            difference = f"{cell['paper']:.2f}, {expected:.2f}, {expected - cell['paper']:+.2f}"
            assert difference in text, (row, column)
    assert whole["rows"]["RGB + MPSM"]["AUC"]["paper"] == 94.96
    lines = text.splitlines()
    assert "- patches: 5" in lines[lines.index("## The same as in the paper") :]
    assert "- image_size: 64; the paper: 299" in lines[lines.index("## Not the same") :]
    assert "- ffpp-c40: train real: 2 of 720 videos" in lines

    before = state(out)
    found, text = run(table1)
    assert {path: state(out)[path] for path in before} == before
    assert sum(each["finished"] for each in found["runs"].values()) == 6
    shared = found["rows"]["LRL"]["LQ AUC"]["runs"]
    assert shared == whole["rows"]["RGB + frequency + RFAM + MPSM"]["AUC"]["runs"]
    assert found["rows"]["Xception"]["Raw AUC"]["paper"] is None
    assert found["rows"]["Xception"]["Raw bal. ACC"]["paper"] == 99.26
    assert found["rows"]["MesoNet"]["Raw bal. ACC"]["frame"] == []
    assert "- xception: protocol paper, image_size 64" in text
    assert "the classifier: tiny; the paper: xception" in found["different"]

    found, _ = run(table2)
    assert sum(each["finished"] for each in found["runs"].values()) == 10
    (folder,) = found["rows"]["LRL"]["FaceSwap recall, trained on all"]["runs"]
    metrics = read(f"{folder}/test-ffpp-c40/metrics.json")["frame"]["methods"]["FaceSwap"]
    expected = [100 * metrics["recall"]]
    assert found["rows"]["LRL"]["FaceSwap recall, trained on all"]["frame"] == expected
    assert found["rows"]["C-Conv"]["Face2Face recall, trained on all"]["paper"] == 82
    (folder,) = found["rows"]["LRL"]["FaceSwap ACC"]["runs"]
    metrics = read(f"{folder}/test-ffpp-c40/metrics.json")
    assert list(metrics["frame"]["methods"]) == ["FaceSwap"]

    found, _ = run(table3, *(each for pair in unseen.items() for each in pair))
    assert len(found["runs"]) == 2
    for cells in found["rows"].values():
        assert all(len(cell["frame"]) == 1 for cell in cells.values())
    splits = {name: each["arguments"]["only"] for name, each in found["records"].items()}
    assert splits["celeb-df"] == splits["dfdc-preview"] == splits["dfd-c23"] == ["test"]
    before = state(out)
    run(table3, *(each for pair in unseen.items() for each in pair))
    assert state(out) == before

    # Damage is named, and what cannot be measured is.
    metrics = Path(folder, "test-ffpp-c40", "metrics.json")
    content = metrics.read_bytes()
    for damaged in (b"", content[:-9], b"\xff\xfe"):
        metrics.write_bytes(damaged)
        assert table2.main(common) == 1
        assert f"{metrics}: damaged; remove it" in capsys.readouterr().err
    metrics.unlink()
    Path(folder, "best.weights.h5").unlink()
    assert table2.main(common) == 1
    assert f"remove {folder} and give the command again" in capsys.readouterr().err
    assert "is trained but not measured on ffpp-c40" in (out / "table2.md").read_text()


def test_what_is_not_there_is_one_line(tmp_path, capsys):
    assert table4.main([str(tmp_path / "out"), "--ffpp", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{tmp_path / 'none'}: no such folder" in error


def test_a_wrong_root_is_found_before_anything_is_prepared(tmp_path, capsys):
    roots = {name: tmp_path / name for name in ("--ffpp", "--dfdc", "--dfd")}
    for root in roots.values():
        root.mkdir()
    given = [str(each) for pair in roots.items() for each in pair]
    wrong = ["--celeb-df", str(tmp_path / "wrong")]
    assert table3.main([str(tmp_path / "out"), *given, *wrong]) == 1
    assert f"{tmp_path / 'wrong'}: no such folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_real_videos_of_two_folders_are_counted_together():
    def counts(**reals):
        kinds = {
            "real": {name: {**NOTHING_LOST, "listed_videos": n} for name, n in reals.items()},
            "fake": {"Celeb-synthesis": {**NOTHING_LOST, "listed_videos": 340}},
        }
        return SimpleNamespace(source="celeb-df", counts={"test": kinds})

    assert list(datasets.gaps(counts(**{"Celeb-real": 108, "YouTube-real": 70}))) == []
    found = list(datasets.gaps(counts(**{"Celeb-real": 108, "YouTube-real": 69})))
    assert found == ["test real: 177 of 178 videos"]


def test_the_faces_are_counted_that_are_measured():
    counts = {
        split: {"real": {"real": {"examples": real}}, "fake": {"Deepfakes": {"examples": 10}}}
        for split, real in (("train", 3), ("test", 4))
    }
    records = SimpleNamespace(split="test", opened=SimpleNamespace(counts=counts))
    assert provenance.measured_faces(records) == "test: 4 real and 10 forged faces"
    records.split = "all"
    assert provenance.measured_faces(records) == "all splits: 7 real and 20 forged faces"


@pytest.mark.parametrize(
    "argv",
    [["--index", "2", "--of", "2"], ["--index", "-1"], ["--of", "0"], ["--seeds", "1", "0", "1"]],
)
def test_wrong_usage(argv, tmp_path):
    with pytest.raises(SystemExit) as caught:
        table4.main([str(tmp_path), "--ffpp", str(tmp_path), *argv])
    assert caught.value.code == 2
