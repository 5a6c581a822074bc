"""The command line as a user calls it: exit codes, streams, one line an error."""

import importlib
import json
import logging
import os
import subprocess
import sys

import pytest
from PIL import Image
from skimage import data

from lrl_keras.cli import main
from lrl_keras.errors import InputError

TRAINING = ["--backbone", "tiny", "--weights", "none", "--image-size", "64", "--patches", "4"]
TRAINING += ["--epochs", "1", "--batch-size", "8"]


@pytest.fixture(scope="module")
def run(photograph_records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", str(photograph_records), str(folder), *TRAINING]) == 0
    return folder


def _command(*arguments, **options):
    command = [sys.executable, "-m", "lrl_keras.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize(
    "verb",
    [
        "prepare", "inspect", "train", "evaluate", "predict", "convert", "export", "serve",
        "benchmark", "demo",
    ],
)  # fmt: skip
def test_help_names_what_is_read_and_written(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "usage: lrl-keras " + verb in text
    assert len(text.splitlines()) > 5


def test_an_unknown_option_before_the_verb_points_to_its_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--foo", "predict"])
    assert caught.value.code == 2
    assert "arguments: --foo; see `lrl-keras predict --help`" in capsys.readouterr().err


def test_version_and_wrong_usage():
    assert _command("--version").stdout.startswith("lrl-keras 0.")
    wrong = _command("train")
    assert wrong.returncode == 2
    assert "usage" in wrong.stderr


@pytest.mark.parametrize(
    "option", [("--backbone", "vgg"), ("--learning-rate", "-1"), ("--epo", "3")]
)
def test_values_that_an_option_does_not_take_are_wrong_usage(option, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "records", "run", *option])
    assert caught.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_results_are_on_standard_output_alone(run, photograph_records):
    done = _command("evaluate", run, photograph_records, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frame"]["overall"]["real"] == 12
    assert (run / "metrics.json").is_file()


def test_evaluation_as_a_table(run, photograph_records, tmp_path, capsys):
    code = main(["evaluate", str(run), str(photograph_records), "--out", str(tmp_path / "e")])
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ACC", "bal.", "ACC", "AUC", "AP", "EER", "real", "forged"]
    assert [line.split()[:2] for line in lines[1:3]] == [
        ["frame", "overall"],
        ["frame", "Deepfakes"],
    ]
    assert {path.name for path in (tmp_path / "e").iterdir()} == {
        "metrics.json",
        "scores.csv",
        "roc.png",
        "scores.png",
    }


def test_all_of_its_own_records_is_warned_of(run, photograph_records, tmp_path, capsys):
    common = ["evaluate", str(run), str(photograph_records), "--out", str(tmp_path)]
    for split, warned in (("all", True), ("test", False)):
        assert main([*common, "--split", split]) == 0
        text = f"lrl-keras: warning: {run} was trained on a part of {photograph_records}"
        assert (text in capsys.readouterr().err) == warned


def test_predict_goes_on_after_what_cannot_be_read(run, tmp_path, capsys):
    picture = tmp_path / "coffee.png"
    Image.fromarray(data.coffee()).save(picture)
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:1000])
    code = main(
        [
            "predict",
            str(broken),
            str(picture),
            "--run",
            str(run),
            "--crop",
            "none",
            "--overlay",
            str(tmp_path / "overlay"),
        ]
    )
    captured = capsys.readouterr()
    assert code == 1
    result = json.loads(captured.out)
    assert result["input"] == str(picture)
    assert 0 <= result["score"] <= 1
    assert "broken.png" in captured.err
    assert len(list((tmp_path / "overlay").iterdir())) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "{tmp}/none", "{records}"],
        ["evaluate", "{run}", "{tmp}"],
        ["evaluate", "{run}", "{records}", "--batch-size", "4", "--out", "{run}/config.json"],
        ["predict", "x.png", "--run", "{tmp}"],
        ["predict", "{tmp}/none.png", "--run", "{run}"],
        ["predict", "{run}", "x.png"],
        ["evaluate", "default", "{records}"],
        ["train", "{records}", "default"],
        ["inspect", "{tmp}"],
        ["inspect", "{records}", "--out", "{tmp}"],
        ["inspect", "{records}", "--patches", "400"],
        ["train", "{tmp}", "{tmp}/run"],
        ["train", "{records}", "{run}"],
        ["train", "{records}", "{tmp}/run", "--weights", "{tmp}/none.h5", "--backbone", "tiny"],
        ["train", "{records}", "{run}/config.json", *TRAINING],
        ["prepare", "faceforensics", "{tmp}", "{tmp}/out"],
    ],
)
def test_mistakes_are_one_line(arguments, run, photograph_records, tmp_path, capsys):
    places = {"tmp": tmp_path, "run": run, "records": photograph_records}
    code = main([argument.format(**places) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1, captured.err
    assert captured.err.startswith("lrl-keras: error: ")


def test_reader_that_leaves_early_is_no_traceback(run, tmp_path):
    for index in range(3):
        Image.fromarray(data.coffee()).save(tmp_path / f"{index}.png")
    command = (
        f"{sys.executable} -m lrl_keras.cli predict {tmp_path} --run {run} --crop none | head -n 1"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=120, env=environment
    )
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["kind"] == "image"


def test_export_prints_path_and_differences(run, tmp_path, capsys):
    out = tmp_path / "model.onnx"
    assert main(["export", str(run), str(out), "--format", "onnx", "--outputs", "label"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(out)
    assert lines[3].split() == ["1", "3", "8", "bound"]
    name, *differences, bound = lines[4].split()
    assert (name, bound) == ("label", "1e-05")
    assert max(map(float, differences)) <= 1e-5
    assert main(["export", str(run), str(tmp_path), "--format", "onnx", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["path"] == str(tmp_path / "model.onnx")
    assert report["outputs"] == ["label", "similarity", "mask"]


@pytest.mark.parametrize(
    ("form", "words"),
    [("saved_model", "saved_model has no int8"), ("onnx", "it: --calibration RECORDS\n")],
)
def test_what_cannot_be_exported_is_one_line(form, words, run, tmp_path, capsys):
    code = main(["export", str(run), str(tmp_path), "--format", form, "--quantize", "int8"])
    error = capsys.readouterr().err
    assert code == 1
    assert error.count("\n") == 1
    assert words in error


def test_messages_are_lines_on_standard_error_and_name_flags(tmp_path, capsys, monkeypatch):
    def fail(arguments):
        logging.getLogger("lrl_keras.training").warning("half of %s", "it")
        raise InputError("x: give `batch_size=4`, `rfam=False`, `weights=None` or `resume=True`")

    monkeypatch.setattr(importlib.import_module("lrl_keras.cli.export"), "run", fail)
    assert main(["export", str(tmp_path), "out"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "lrl-keras: warning: half of it",
        "lrl-keras: error: x: give --batch-size 4, --no-rfam, --weights none or --resume",
    ]
    assert not logging.getLogger("lrl_keras").handlers


@pytest.mark.long
def test_benchmark_of_a_run(run, tmp_path, capsys):
    command = ["benchmark", str(run), "--formats", "keras", "onnx", "--quantize", "none"]
    command += ["--out", str(tmp_path / "b"), "--seconds", "0.1", "--repeats", "1"]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert "Keras float32" in table
    assert "onnx float32, label" in table
    assert "frequency filter (DCT)" in table
    found = {path.name for path in (tmp_path / "b").iterdir()}
    assert found == {"benchmark.json", "benchmark.png", "parts.png", "exports"}
    files = sorted(path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*.onnx"))
    assert main([*command, "--json"]) == 0
    assert {row["batch"] for row in json.loads(capsys.readouterr().out)["rows"]} == {1, 8}
    # What has been exported is not exported again.
    again = sorted(path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*.onnx"))
    assert again == files


def test_a_benchmark_of_nothing_is_one_line(run, tmp_path, capsys):
    command = ["benchmark", str(run), "--formats", "saved_model", "--quantize", "int8"]
    assert main([*command, "--out", str(tmp_path)]) == 1
    assert "nothing to measure" in capsys.readouterr().err
