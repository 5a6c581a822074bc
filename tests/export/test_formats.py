"""Every format is run by its own runtime, called as a stranger would, and compared with Keras."""

import functools
import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import arrays, assert_close, faces, lively

from lrl_keras import LRL, export
from lrl_keras.errors import InputError
from lrl_keras.export import parity
from lrl_keras.models import Classifier
from lrl_keras.system import files

BOUNDS = {"label": 1e-5, "similarity": 1e-5, "mask": 1e-4}


def run_saved_model(path, pictures):
    loaded = tf.saved_model.load(str(path))
    found = loaded.signatures["serving_default"](images=tf.constant(pictures))
    return {name: value.numpy() for name, value in found.items()}


def run_tflite(path, pictures):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    names = {op["op_name"] for op in interpreter._get_ops_details()}
    assert not [name for name in names if name.startswith("Flex")]
    return interpreter.get_signature_runner("serving_default")(images=pictures)


def run_onnx(path, pictures):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {entry.name: pictures}), strict=True))


def run_openvino(path, pictures):
    import openvino

    # By itself it computes in whatever the processor is fastest with.
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.get_any_name(): value for output, value in compiled(pictures).items()}


RUNNERS = {
    "saved_model": run_saved_model,
    "tflite": run_tflite,
    "onnx": run_onnx,
    "openvino": run_openvino,
}
# OpenVINO's files are made of the ONNX files.
MOST = [
    pytest.param(format, marks=pytest.mark.long if format == "openvino" else ())
    for format in RUNNERS
]


def assert_agrees(found, expected, bounds=BOUNDS):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].shape == value.shape
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], value, atol=bounds[name], rtol=0, err_msg=name)


@pytest.mark.parametrize(
    ("format", "name"),
    [
        *itertools.product(["saved_model", "tflite", "onnx"], ["even", "odd"]),
        ("openvino", "even"),
        pytest.param("openvino", "odd", marks=pytest.mark.long),
    ],
)
def test_the_file_gives_the_numbers_of_the_model(format, name, models, exported):
    model = models[name]
    path = exported(name, format)
    pictures = faces(8, model.image_size)
    expected = arrays(model(pictures))
    # Statistics that training would not have in a batch of these, and faces that differ.
    assert np.ptp(expected["label"]) > 1e-2
    for batch in (1, 3, 8):
        part = {output: value[:batch] for output, value in expected.items()}
        assert_agrees(RUNNERS[format](path, pictures[:batch]), part)
    assert_close(model.predict(pictures, verbose=0), expected)


@pytest.mark.parametrize("format", MOST)
def test_the_label_alone_of_bytes(format, models, exported):
    path = exported("odd", format, outputs="label", input_type="uint8")
    pictures = faces(3, 97).astype(np.uint8)
    expected = arrays(models["odd"](pictures.astype(np.float32)))
    assert_agrees(RUNNERS[format](path, pictures), {"label": expected["label"]})


@pytest.mark.parametrize(
    "format",
    [
        "tflite",
        "onnx",
        *(pytest.param(format, marks=pytest.mark.long) for format in ("saved_model", "openvino")),
    ],
)
def test_half_the_size_in_float16(format, models, exported):
    whole, half = exported("even", format), exported("even", format, quantize="float16")

    def size(path):
        # The weights: an .xml describes them, they lie in the .bin.
        path = path.with_suffix(".bin") if path.suffix == ".xml" else path
        found = [path / "saved_model.pb"] if path.is_dir() else [path]
        return sum(file.stat().st_size for file in found)

    assert size(half) < 0.6 * size(whole)
    pictures = faces(3, 64)
    expected = arrays(models["even"](pictures))
    bounds = {"label": 1e-2, "similarity": 1e-2, "mask": 5e-2}
    found = RUNNERS[format](half, pictures)
    assert_agrees(found, expected, bounds)
    assert np.abs(found["mask"] - expected["mask"]).max() > 1e-6


def test_the_report_says_what_was_written(models, exported):
    path = exported("even", "onnx")
    report = json.loads(path.with_name(path.name + ".json").read_text())
    assert report["sha256"] == {"model.onnx": files.sha256(path)}
    assert report["format"] == "onnx"
    assert report["outputs"] == ["label", "similarity", "mask"]
    assert (report["image_size"], report["crop_size"]) == (64, 84)
    assert report["model"] == models["even"].get_config()
    assert {"onnxruntime", "tf2onnx", "keras", "lrl-keras"} <= set(report["versions"])
    assert set(report["differences"]) == {"1", "3", "8"}
    for found in report["differences"].values():
        for output, difference in found.items():
            assert 0 <= difference <= BOUNDS[output]


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_network_of_mixed_precision_is_exported_in_float32(precision, models, tmp_path):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        mixed = LRL.from_config(models["even"].get_config())
        mixed.set_weights(models["even"].get_weights())
        path = export.export(mixed, tmp_path, "tflite")
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    pictures = faces(3, 64)
    assert_agrees(run_tflite(path, pictures), arrays(models["even"](pictures)))


def test_a_plain_classifier_is_exported_too(tmp_path):
    keras.utils.set_random_seed(1)
    model = lively(Classifier("tiny", image_size=64))
    path = export.export(model, tmp_path / "mine.onnx", "onnx")
    assert path == str(tmp_path / "mine.onnx")
    pictures = faces(3, 64)
    assert_agrees(run_onnx(path, pictures), arrays(model(pictures)))


@functools.lru_cache(maxsize=1)  # The formats of a backbone follow one another.
def network(backbone, size, frequency):
    """A network, faces and what it makes of them."""
    keras.utils.set_random_seed(1)
    model = lively(LRL(backbone, image_size=size, patches=4, frequency=frequency))
    pictures = faces(3, size)
    return model, pictures, arrays(model(pictures))


@pytest.mark.long
@pytest.mark.parametrize("format", RUNNERS)
@pytest.mark.parametrize(
    ("backbone", "size", "frequency"),
    [
        ("mobilenet_v3_small", 97, True),
        ("efficientnet_lite0", 97, True),
        # Two streams of these take tf2onnx 8 GB, in each of two workers. And on fewer pixels the
        # statistics of eight faces let so deep a network as the B4 magnify rounding.
        ("efficientnet_b4", 161, False),
        ("xception", 97, False),
    ],
)
def test_every_backbone(backbone, size, frequency, format, tmp_path):
    model, pictures, expected = network(backbone, size, frequency)
    path = export.export(model, tmp_path, format)
    assert np.ptp(expected["label"]) > 1e-3
    assert_agrees(RUNNERS[format](path, pictures), expected)


@pytest.mark.parametrize("row", [{"frequency": False}, {"rfam": False, "similarity": False}])
def test_rows_of_table_4(row, tmp_path):
    keras.utils.set_random_seed(1)
    model = lively(LRL("tiny", image_size=64, patches=4, **row))
    path = export.export(model, tmp_path, "onnx")
    pictures = faces(3, 64)
    assert_agrees(run_onnx(path, pictures), arrays(model(pictures)))


def test_a_saved_model_runs_where_there_is_no_keras(models, exported, without_keras, tmp_path):
    pictures = faces(3, 64)
    np.save(tmp_path / "pictures.npy", pictures)
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        "path, folder = sys.argv[1:]\n"
        "for name in ('keras', 'lrl_keras'):\n"
        "    try: __import__(name)\n"
        "    except ImportError: print('no', name)\n"
        "model = tf.saved_model.load(path)\n"
        "found = model.signatures['serving_default'](\n"
        "    images=tf.constant(np.load(folder + '/pictures.npy')))\n"
        "np.savez(folder + '/found.npz', **{k: v.numpy() for k, v in found.items()})\n"
    )
    path = exported("even", "saved_model")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path)],
        env=without_keras,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["no keras", "no lrl_keras"]
    with np.load(tmp_path / "found.npz") as found:
        assert_agrees(dict(found), arrays(models["even"](pictures)))


def test_versions_follow_each_other(models, exported):
    first = exported("even", "saved_model")
    out = first.parent
    assert first.name == "1"
    second = export.export(models["even"], out, "saved_model", outputs="label")
    assert second == str(out / "2")
    assert sorted(path.name for path in out.iterdir()) == [
        "1", "1.json", "2", "2.json", "batching.config", "models.config",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "pickle"}, "format must be one of onnx, openvino, saved_model, tflite"),
        ({"outputs": "mask"}, "outputs must be one of all, label"),
        ({"quantize": "int4"}, "quantize must be one of"),
        ({"input_type": "float16"}, "input_type must be one of"),
        ({"quantize": "int8"}, "saved_model has no int8; choose one of onnx, openvino, tflite"),
        ({"format": "onnx", "quantize": "int8"}, "needs records to calibrate it"),
        ({"format": "onnx", "calibration": "records"}, "needs records to calibrate it"),
        (
            {"format": "onnx", "quantize": "int8", "calibration": "missing"},
            r"missing/manifest\.json: not found",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, words, models, tmp_path):
    with pytest.raises(InputError, match=words):
        export.export(models["even"], tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_wrong_places_are_named(models, tmp_path):
    (tmp_path / "file").touch()
    for out, words in (
        (tmp_path / "file", "file: no folder"),
        (tmp_path / "model.tflite", "does not fit format='onnx'"),
        ("gs://bucket/exports", "copy the result"),
    ):
        with pytest.raises(InputError, match=words):
            export.export(models["even"], out, "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_differs_is_not_left_behind(models, tmp_path, monkeypatch):
    # The check is given a model that the file was not made of.
    other = LRL.from_config(models["even"].get_config())
    whole = export.exporter.inference_form

    def form(model, outputs, fold=True):
        return whole(model if fold else other, outputs, fold)

    monkeypatch.setattr(export.exporter, "inference_form", form)
    with pytest.raises(
        InputError, match=r"model\.tflite: differs from the Keras model by .* behind$"
    ):
        export.export(models["even"], tmp_path, "tflite")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_magnifies_rounding_is_told(models, tmp_path, monkeypatch):
    # Beside a bound that is finer than rounding, any network does.
    monkeypatch.setitem(parity.BOUNDS, "none", {"label": 1e-10, "similarity": 1e-10})
    with pytest.raises(InputError, match=r"1e-10; .* this network magnifies rounding"):
        export.export(models["even"], tmp_path, "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_leaves_no_version(models, tmp_path):
    """Killed while it writes, there is no folder that TensorFlow Serving would take."""
    code = (
        "import os, signal, sys\n"
        "from lrl_keras import LRL, export\n"
        "from lrl_keras.export import parity\n"
        "parity.check = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "export.export(LRL('tiny', image_size=64, patches=4), sys.argv[1], 'saved_model')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert done.returncode == -9
    assert all(path.name.startswith(".export-") for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 1
