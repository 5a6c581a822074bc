"""Every table at smoke scale, on small trees of encoded videos in the official layouts."""

import json
from pathlib import Path

import pytest
from trees import write_celeb_df, write_dfd, write_dfdc_preview, write_ffpp

from experiments import table1, table2, table3, table4


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


@pytest.mark.slow
def test_every_table_from_records_to_report(tmp_path, capsys):
    ffpp = write_ffpp(tmp_path / "ffpp", ("raw", "c23", "c40"))
    unseen = {
        "--celeb-df": write_celeb_df(tmp_path / "celeb"),
        "--dfdc": write_dfdc_preview(tmp_path / "dfdc"),
        "--dfd": write_dfd(tmp_path / "dfd"),
    }
    out = tmp_path / "out"
    common = [str(out), "--ffpp", str(ffpp), "--smoke"]

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
    found, _ = run(table1)
    assert {path: state(out)[path] for path in before} == before
    assert len(found["runs"]) == 6
    shared = found["rows"]["LRL"]["LQ AUC"]["runs"]
    assert shared == whole["rows"]["RGB + frequency + RFAM + MPSM"]["AUC"]["runs"]
    assert found["rows"]["Xception"]["Raw AUC"]["paper"] is None

    found, _ = run(table2)
    methods = {each["settings"]["methods"][0] for each in found["runs"].values()}
    assert len(found["runs"]) == 8
    assert methods == {"Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"}
    (folder,) = found["rows"]["LRL"]["FaceSwap"]["runs"]
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


def test_what_is_not_there_is_one_line(tmp_path, capsys):
    assert table4.main([str(tmp_path / "out"), "--ffpp", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(tmp_path / "none") in error


@pytest.mark.parametrize("argv", [["--index", "2", "--of", "2"], ["--index", "-1"], ["--of", "0"]])
def test_a_share_that_is_none_is_wrong_usage(argv, tmp_path):
    with pytest.raises(SystemExit) as caught:
        table4.main([str(tmp_path), "--ffpp", str(tmp_path), *argv])
    assert caught.value.code == 2
