"""The page that says how a detector, a dataset, a format and so on are added, done as it says."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import tiny

import lrl_keras
from lrl_keras import models, optimizers
from lrl_keras.cli import main
from lrl_keras.data.augment import AUGMENTATIONS
from lrl_keras.export import export
from lrl_keras.models.backbones import BACKBONES
from lrl_keras.saving import runtimes
from lrl_keras.system import plugins
from lrl_keras.training import Settings, saved_settings
from tfrecords.sources import SOURCES

pytestmark = pytest.mark.tensorflow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
DETECTOR, SOURCE, BACKBONE, FORMAT, SCHEDULE = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S
)


@pytest.fixture
def file_in(tmp_path, monkeypatch):
    """A function that puts a file into a plug-in folder, as seen by Python, and imports it."""

    def put(package, name, text):
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        module = importlib.import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
        (found,) = (each for each in plugins.modules(module) if each.__name__.endswith(f".{name}"))
        monkeypatch.delitem(sys.modules, found.__name__)
        return found

    return put


def test_a_detector(file_in, monkeypatch, photograph_records, tmp_path, capsys):
    found = file_in("lrl_keras.models.zoo", "mean_colour", DETECTOR)
    try:
        run = tmp_path / "run"
        arguments = ["train", str(photograph_records), str(run), "--detector", "mean_colour"]
        assert main([*arguments, "--width", "2", "--epochs", "1", "--batch-size", "8"]) == 0
        settings = saved_settings(run)
        assert (settings.width, settings.learning_rate, settings.image_size) == (2, 1e-2, 16)
        with pytest.raises(SystemExit):
            main([*arguments, "--patches", "4"])
        assert "--patches" in capsys.readouterr().err
        assert main(["evaluate", str(run), str(photograph_records)]) == 0
        path = export(lrl_keras.load(run), tmp_path / "out", "onnx")
        faces = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
        expected = lrl_keras.load(run)(faces)["label"]
        np.testing.assert_allclose(runtimes.load(path)(faces)["label"], expected, atol=1e-5)
        again = models.build("mean_colour", width=4)
        assert isinstance(again, found.MeanColour)
    finally:
        del models.DETECTORS["mean_colour"]


def test_a_backbone(tmp_path):
    before = dict(BACKBONES)
    try:
        exec(BACKBONE, {})
        model = lrl_keras.LRL("small", image_size=32, patches=2)
        lrl_keras.save(model, tmp_path / "run")
        assert lrl_keras.load(tmp_path / "run").backbone == "small"
    finally:
        BACKBONES.clear()
        BACKBONES.update(before)


def test_a_dataset(file_in, monkeypatch, tmp_path):
    from PIL import Image

    found = file_in("tfrecords.sources", "gray", SOURCE)
    monkeypatch.setitem(SOURCES, found.NAME, found)
    for split in ("train", "val", "test"):
        for kind, level in (("light", 200), ("dark", 100)):
            (tmp_path / "gray" / split / kind).mkdir(parents=True)
            Image.new("L", (20, 20), level).save(tmp_path / "gray" / split / kind / "0.bmp")
    out = tmp_path / "records"
    arguments = ["prepare", "gray", str(tmp_path / "gray"), str(out), "--image-size", "16"]
    assert main([*arguments, "--workers", "1"]) == 1  # No .png.
    assert main([*arguments, "--workers", "1", "--ending", ".bmp"]) == 0
    counts = json.loads((out / "manifest.json").read_text())["counts"]
    assert counts["train"]["fake"]["dark"]["examples"] == 1


def test_a_format(tmp_path):
    # An export is checked in a process of its own, which must find the file, too.
    package = Path(lrl_keras.__file__).parent
    shutil.copytree(package, tmp_path / "lrl_keras", ignore=shutil.ignore_patterns("*.h5"))
    (tmp_path / "lrl_keras" / "saving" / "formats" / "ort.py").write_text(FORMAT)
    lrl_keras.save(tiny(), tmp_path / "run")
    code = (
        "import numpy as np, lrl_keras\n"
        "from lrl_keras import export, saving\n"
        "model = lrl_keras.load('run')\n"
        "faces = np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)\n"
        "runtime = saving.runtimes.load(export.export(model, 'out', 'ort'))\n"
        "print(runtime.path, runtime.format)\n"
        "print(np.abs(runtime(faces)['label'] - model(faces)['label']).max())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    named, difference = done.stdout.splitlines()
    assert named == f"{tmp_path}/out/model.ort ort"
    assert float(difference) <= 1e-5


def test_a_schedule_and_an_augmentation(monkeypatch, photograph_records, tmp_path):
    monkeypatch.setitem(optimizers.SCHEDULES, "step", None)  # Gone again after the test.
    exec(SCHEDULE, {})
    monkeypatch.setitem(AUGMENTATIONS, "mine", AUGMENTATIONS["flip"])
    settings = Settings(
        backbone="tiny",
        weights=None,
        image_size=32,
        patches=2,
        epochs=2,
        batch_size=8,
        schedule="step",
        step_at=1,
        augment="mine",
    )
    model = lrl_keras.training.train(photograph_records, tmp_path / "run", settings, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-5)
