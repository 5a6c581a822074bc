"""Exported files behind one interface."""

import concurrent.futures
import dataclasses
import shutil

import numpy as np
import pytest
from networks import faces

from lrl_keras.errors import InputError
from lrl_keras.saving import runtimes
from lrl_keras.saving.formats import FORMATS


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_loaded_by_its_path(format, exported, models):
    path = exported("even", format)
    runtime = runtimes.load(path, threads=2)
    assert (runtime.format, runtime.image_size) == (format, 64)
    assert runtime.outputs == ("label", "similarity", "mask")
    pictures = faces(5, 64)
    expected = models["even"].predict(pictures, verbose=0)
    for images in (pictures, pictures.astype(np.uint8)):
        found = runtime(images)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-4)
    # A row alone is the same row among others.
    np.testing.assert_allclose(runtime(pictures[3:4])["label"], found["label"][3:4], atol=1e-6)


@pytest.mark.parametrize("format", FORMATS)
def test_a_byte_that_is_not_the_exports_is_refused_by_name(format, exported, tmp_path):
    source = exported("even", format)
    shutil.copytree(source.parent, tmp_path / "copy")
    path = tmp_path / "copy" / source.name
    part = {
        "saved_model": path / "saved_model.pb", "openvino": path.with_suffix(".bin"),
    }.get(format, path)  # fmt: skip
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match=rf"{part.name}: damaged, its checksum .*\.json; export"):
        runtimes.load(path)


@pytest.mark.parametrize("format", ["tflite", "onnx", "openvino"])
def test_many_threads_get_their_own_answers(format, exported):
    runtime = runtimes.load(exported("even", format), threads=2)
    pictures = faces(8, 64)
    expected = runtime(pictures)["label"]
    assert np.ptp(expected) > 1e-2

    def ask(number):
        first, count = number % 6, 1 + number % 3
        found = runtime(pictures[first : first + count])["label"]
        return np.abs(found - expected[first : first + count]).max()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert max(pool.map(ask, range(128))) < 1e-5


def test_the_highest_version_is_taken(exported, tmp_path):
    path = exported("even", "saved_model")
    for version in ("2", "10"):
        (tmp_path / version).symlink_to(path)
    assert runtimes.load(tmp_path).path == str(tmp_path / "10")


def test_what_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(b"no protocol buffer")
    (tmp_path / "damaged.tflite").write_bytes(b"no flatbuffer")
    (tmp_path / "model.h5").touch()
    for name, words in (
        ("damaged.onnx", "cannot be loaded"),
        ("damaged.tflite", "cannot be loaded"),
        ("missing.onnx", "no such file"),
        ("model.h5", "expected a SavedModel's folder, .onnx, .xml, .tflite"),
        (".", "holds no SavedModel"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            runtimes.load(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


def test_a_package_that_is_missing_is_named(exported, monkeypatch):
    path = exported("even", "onnx")
    missing = dataclasses.replace(FORMATS["onnx"], runtime="no_such_runtime")
    monkeypatch.setitem(FORMATS, "onnx", missing)
    with pytest.raises(InputError, match=r"pip install .*'\.\[export\]'"):
        runtimes.load(path)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((1, 65, 64, 3), np.float32), "takes images of shape"),
        (np.zeros((64, 64, 3), np.float32), "takes images of shape"),
        (np.zeros((0, 64, 64, 3), np.float32), "takes images of shape"),
        (np.zeros((1, 64, 64, 3), np.float64), "takes uint8 or float32"),
    ],
)
def test_wrong_images_are_named(images, words, exported):
    with pytest.raises(InputError, match=words):
        runtimes.load(exported("even", "onnx"))(images)
