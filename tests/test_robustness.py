"""Figures under degradation, against references made by hand from the records and the model."""

import csv
import json
import re

import keras
import matplotlib
import networks
import numpy as np
import photographs
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import lrl_keras
from lrl_keras.cli import main
from lrl_keras.data.schema import Example
from lrl_keras.errors import InputError
from lrl_keras.evaluation.evaluator import evaluate
from lrl_keras.evaluation.robustness import measure
from lrl_keras.media.degradations import degrade
from lrl_keras.plots import figures

CHOSEN = {"degradations": ["noise", "saturation", "jpeg"], "levels": [2, 5]}


def _model(size):
    """A network whose scores of photographs lie on both sides of 0.5."""
    keras.utils.set_random_seed(size)
    model = networks.randomise(lrl_keras.LRL("tiny", image_size=size, patches=4))
    scores = model.predict(networks.faces(8, size), verbose=0)["label"]
    bias = model.get_layer("label").weights[-1]
    bias.assign(bias - np.log(np.median(scores) / (1 - np.median(scores))))
    return model


@pytest.fixture(scope="module")
def models():
    return {"small": _model(64), "large": _model(96)}


@pytest.fixture(scope="module")
def measured(models, photograph_records, tmp_path_factory):
    out = {name: tmp_path_factory.mktemp(name) for name in models}
    results = measure(models, photograph_records, "train", out=out, progress=False, **CHOSEN)
    return results, out


def _faces(records):
    """The faces as the records hold them: list of (image, label, key)."""
    found = []
    for batch in lrl_keras.data.examples(records, "train", batch_size=50).as_numpy_iterator():
        names = [[text.decode() for text in batch[n]] for n in ("dataset", "method", "video")]
        keys = zip(*names, batch["frame"].tolist(), strict=True)
        found += zip(batch["image"].astype(np.uint8), batch["label"], keys, strict=True)
    return found


def _scores(model, images):
    size = 2 * (model.image_size,)
    resized = [Image.fromarray(image).resize(size, Image.Resampling.BILINEAR) for image in images]
    return model.predict(np.stack(resized).astype("float32"), verbose=0)["label"][:, 0]


def test_clean_figures_are_those_of_evaluate(measured, models, photograph_records):
    for name, model in models.items():
        expected = evaluate(model, photograph_records, "train", progress=False)
        found = measured[0][name]
        assert found["clean"] == expected["frame"]
        for fact in ("model", "records", "manifest_sha256", "split", "versions", "detector"):
            assert found[fact] == expected[fact]


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize(("degradation", "level"), [("noise", 5), ("saturation", 5), ("jpeg", 2)])
def test_a_cell_by_hand(name, degradation, level, measured, models, photograph_records):
    cells = measured[0][name]["cells"][degradation]
    cell = next(cell for cell in cells if cell["level"] == level)
    images, labels, keys = zip(*_faces(photograph_records), strict=True)
    degraded = [
        degrade(image, degradation, level, face=key)
        for image, key in zip(images, keys, strict=True)
    ]
    changed = [(a != b).any(axis=-1).mean() for a, b in zip(images, degraded, strict=True)]
    assert cell["changed_pixels"] == pytest.approx(np.mean(changed), abs=1e-9)
    assert cell["unchanged_faces"] == 0
    labels, methods = np.array(labels), np.array([key[1] for key in keys])
    before, after = _scores(models[name], images), _scores(models[name], degraded)
    groups = {"overall": labels >= 0}
    groups |= {m: (labels == 0) | (methods == m) for m in ("Deepfakes", "FaceSwap", "Face2Face")}
    found = {"overall": cell["overall"], **cell["methods"]}
    assert set(found) == set(groups)
    for group, rows in groups.items():
        # Pillow resizes with other roundings, which may swap faces with nearly equal scores.
        clean, auc = (roc_auc_score(labels[rows], scores[rows]) for scores in (before, after))
        assert found[group]["auc"] == pytest.approx(auc, abs=0.01)
        assert found[group]["drop"] == pytest.approx(clean - auc, abs=0.02)
        flipped = ((before > 0.5) != (after > 0.5))[rows].mean()
        assert found[group]["flipped"] == pytest.approx(flipped, abs=0.03)
        right = ((after > 0.5) == labels)[rows].mean()
        assert found[group]["accuracy"] == pytest.approx(right, abs=0.03)


def test_degradations_move_decisions(measured):
    flipped = [
        cell["overall"]["flipped"]
        for result in measured[0].values()
        for row in result["cells"].values()
        for cell in row
    ]
    assert max(flipped) > 0.05


@pytest.mark.parametrize("change", [{"batch_size": 5}, {"models": ["large"]}, {"levels": [5]}])
def test_a_cell_does_not_depend_on_what_is_measured_beside_it(
    change, measured, models, photograph_records
):
    change = {**CHOSEN, **change}
    chosen = {name: models[name] for name in change.pop("models", models)}
    again = measure(chosen, photograph_records, "train", progress=False, **change)
    for name, result in again.items():
        for degradation, row in result["cells"].items():
            before = {cell["level"]: cell for cell in measured[0][name]["cells"][degradation]}
            for cell in row:
                expected = before[cell["level"]]
                assert cell["changed_pixels"] == expected["changed_pixels"]
                # Another batch size sums in another order.
                for figure in ("auc", "accuracy", "flipped"):
                    assert cell["overall"][figure] == pytest.approx(
                        expected["overall"][figure], abs=0.005
                    )


def test_a_seed_draws_other_noise_and_nothing_else(measured, models, photograph_records):
    again = measure(
        {"small": models["small"]}, photograph_records, "train", seed=1, progress=False, **CHOSEN
    )
    before, after = measured[0]["small"]["cells"], again["small"]["cells"]
    assert before["jpeg"] == after["jpeg"]
    assert before["noise"] != after["noise"]


def test_methods_leave_out_others(measured, models, photograph_records):
    result = measure(
        {"small": models["small"]}, photograph_records, "train",
        methods=["FaceSwap"], progress=False, **CHOSEN,
    )["small"]  # fmt: skip
    assert result["methods"] == ["FaceSwap"]
    for degradation, row in result["cells"].items():
        for cell, all_methods in zip(row, measured[0]["small"]["cells"][degradation], strict=True):
            expected = all_methods["methods"]["FaceSwap"]
            assert cell["overall"]["auc"] == pytest.approx(expected["auc"], abs=0.01)
            assert cell["overall"]["forged"] == expected["forged"] == 14


def test_files_hold_what_was_measured(measured):
    for name, folder in measured[1].items():
        result = measured[0][name]
        assert json.loads((folder / "robustness.json").read_text()) == result
        with open(folder / "robustness.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == (1 + 3 * 2) * (1 + 3)
        row = next(
            row for row in rows
            if (row["degradation"], row["level"], row["faces"]) == ("noise", "5", "FaceSwap")
        )  # fmt: skip
        numbers = result["cells"]["noise"][1]["methods"]["FaceSwap"]
        assert {figure: float(row[figure]) for figure in numbers} == numbers
        assert float(row["strength"]) == 0.05
        with Image.open(folder / "robustness.png") as picture:
            assert min(picture.size) > 200


def test_the_map_colours_each_cell_by_its_figure(tmp_path):
    cells = {"jpeg": [(1.0, "quality 95"), (0.5, "quality 75")], "blur": [(0.5, ""), (0.5, "")]}
    figures.robustness_map(cells, [1, 2], 1.0, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
    best, worst = (np.array(matplotlib.colormaps["viridis"](value)[:3]) * 255 for value in (1.0, 0))
    areas = [(np.abs(pixels - colour).max(axis=1) <= 2).sum() for colour in (best, worst)]
    assert areas[0] > 0.1 * len(pixels)
    assert areas[1] / areas[0] == pytest.approx(3, rel=0.1)


def _records(folder, image, grey_frames=0):
    """One real and one forged video of three frames: `image`, and the first ones without colour."""
    examples = []
    for label, method in ((0, "real"), (1, "FaceSwap")):
        for frame in range(3):
            face = degrade(image, "saturation", 5) if frame < grey_frames else image
            examples.append(
                Example(face, None, False, label, "photographs", method, "raw", "a", frame,
                        (0, 0, 48, 48))
            )  # fmt: skip
    return photographs.write_records(folder, [("test", examples)])


def test_a_cell_that_changes_nothing_is_an_error(models, tmp_path):
    """JPEG keeps large flat squares exactly: the check is no formality."""
    squares = (np.indices((48, 48)) // 16).sum(axis=0) % 2 * 150 + 50
    image = np.repeat(squares.astype(np.uint8)[..., None], 3, axis=-1)
    records = _records(tmp_path / "records", image)
    one = {"small": models["small"]}
    with pytest.raises(InputError, match="jpeg at level 1 changes no pixel of frame 0 of 'a'"):
        measure(one, records, degradations=["jpeg"], levels=[1], progress=False)
    result = measure(one, records, degradations=["blur"], levels=[1], progress=False)["small"]
    assert result["cells"]["blur"][0]["changed_pixels"] > 0


def test_grey_faces_may_stay_and_are_counted(models, tmp_path):
    records = _records(tmp_path / "records", photographs.data.astronaut()[:48, 200:248], 2)
    result = measure(
        {"small": models["small"]}, records,
        degradations=["saturation", "blur"], levels=[3], progress=False,
    )["small"]  # fmt: skip
    assert result["cells"]["saturation"][0]["unchanged_faces"] == 4
    assert result["cells"]["blur"][0]["unchanged_faces"] == 0


def test_mistakes_are_refused_before_the_first_face(models, photograph_records, tmp_path):
    real = list(photographs.clip(photographs.data.coffee(), "coffee", "real", 3))
    one_class = photographs.write_records(tmp_path / "records", [("test", real)])
    for records, arguments, message in (
        (one_class, {}, "3 real and 0 forged"),
        (photograph_records, {"degradations": ["fog"]}, "'fog'"),
        (photograph_records, {"degradations": []}, "at least one"),
        (photograph_records, {"levels": [9]}, "9"),
        (photograph_records, {"seed": -1}, "seed"),
        (photograph_records, {"methods": ["NoSuch"]}, "NoSuch"),
        (photograph_records, {"out": {"other": tmp_path}}, "other"),
    ):
        with pytest.raises(InputError, match=message):
            measure(models, records, progress=False, **arguments)


@pytest.fixture(scope="module")
def run(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    lrl_keras.save(models["small"], folder)
    return str(folder)


def test_command_line(run, photograph_records, tmp_path, capsys):
    arguments = ["evaluate", run, str(photograph_records), "--out", str(tmp_path), "--degrade"]
    arguments += ["--degradations", "jpeg", "blocks", "--levels", "5", "1", "--seed", "2"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    written = json.loads((tmp_path / "robustness.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.json", "scores.csv", "roc.png", "scores.png",
        "robustness.json", "robustness.csv", "robustness.png",
    }  # fmt: skip
    assert lines[0].split()[0] == "ACC"
    start = next(index for index, line in enumerate(lines) if line.startswith("AUC of frames"))
    assert lines[start + 1].split() == ["level", "1", "level", "5"]
    for line, figure in ((lines[start + 2], "auc"), (lines[start + 7], "flipped")):
        name, *numbers = line.split()
        assert name == "jpeg"
        expected = [f"{100 * cell['overall'][figure]:.2f}%" for cell in written["cells"]["jpeg"]]
        assert numbers == expected
    assert written["seed"] == 2

    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["robustness"] == written
    assert printed["frame"] == written["clean"]


def test_command_line_warns_of_faces_that_stayed(run, tmp_path, capsys):
    records = _records(tmp_path / "records", photographs.data.astronaut()[:48, 200:248], 2)
    arguments = ["evaluate", run, str(records), "--degrade", "--degradations", "saturation"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    assert re.search("warning: saturation changes nothing in 4 faces: ", capsys.readouterr().err)


@pytest.mark.parametrize(
    "options", [["--levels", "1"], ["--degradations", "jpeg"], ["--seed", "0"]]
)
def test_options_of_degrading_need_degrade(options, run, photograph_records, capsys):
    assert main(["evaluate", run, str(photograph_records), *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"lrl-keras: error: {options[0]} ")
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    "options", [["--levels", "6"], ["--degradations", "fog"], ["--seed", "-1"]]
)
def test_wrong_usage(options, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "run", "records", "--degrade", *options])
    assert caught.value.code == 2
    assert "usage: lrl-keras evaluate" in capsys.readouterr().err
