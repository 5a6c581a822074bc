"""What the benchmark of the runtimes says is what happened."""

import json

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import lrl_keras
from lrl_keras import benchmark
from lrl_keras.errors import InputError
from lrl_keras.models import Classifier, multiply_adds


@pytest.fixture(scope="module")
def measured(models, exported, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "even"
    lrl_keras.save(models["even"], run)
    rows = {
        "Keras float32": run,
        "onnx float32": exported("even", "onnx"),
        "onnx float32, label": exported("even", "onnx", outputs="label", input_type="uint8"),
    }
    return rows, benchmark.benchmark_inference(
        models["even"], rows, batches=(1, 4), seconds=0.1, repeats=3
    )


@pytest.mark.long
def test_every_row_and_batch_is_measured(measured, models):
    rows, result = measured
    assert json.loads(json.dumps(result)) == result
    assert [(row["row"], row["batch"]) for row in result["rows"]] == [
        (name, batch) for name in rows for batch in (1, 4)
    ]
    costs = multiply_adds(models["even"])
    assert result["multiply_adds"] == costs
    peak = result["matrix_product"]["median"]
    assert result["matrix_product"]["least"] <= peak <= result["matrix_product"]["most"]
    for row in result["rows"]:
        assert 0 < row["least"] <= row["images_per_second"] <= row["most"]
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        # A process with NumPy, and one with TensorFlow.
        assert row["peak_mb"] > (300 if "Keras" in row["row"] else 30)
        left_out = costs["decoder"] if "label" in row["row"] else 0
        assert row["multiply_adds"] == costs["total"] - left_out
        share = 2 * row["multiply_adds"] * row["images_per_second"] / (1e9 * peak)
        assert row["share_of_peak"] == pytest.approx(share, abs=1e-3)
    memory = {row["row"]: row["peak_mb"] for row in result["rows"]}
    assert memory["onnx float32"] < memory["Keras float32"]


def test_parts_add_up_to_the_network(exported):
    path = str(exported("even", "onnx"))
    parts = benchmark.parts_of(path, repeats=5)
    assert set(parts) >= {
        "frequency filter (DCT)",
        "RGB stream",
        "frequency stream",
        "RFAM",
        "similarity",
        "label",
        "decoder",
    }
    assert min(parts.values()) > 0
    # Nearly nothing is left without a name.
    assert parts.get("change of layout, other", 0) < 0.3 * sum(parts.values())
    label = benchmark.parts_of(str(exported("even", "onnx", outputs="label")), repeats=5)
    assert "decoder" not in label
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].name == "images"


@pytest.mark.long
def test_numbers_and_pictures_are_written(measured, exported, tmp_path):
    _, result = measured
    result = {**result, "parts_ms": benchmark.parts_of(str(exported("even", "onnx")))}
    benchmark.write(result, tmp_path)
    assert json.loads((tmp_path / "benchmark.json").read_text()) == result
    for name in ("benchmark.png", "parts.png"):
        picture = np.asarray(Image.open(tmp_path / name).convert("L"))
        assert picture.shape[1] > 1000
        assert (picture < 200).mean() > 0.01


def test_a_row_that_does_not_load_is_named(models, exported, tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(b"no protocol buffer")
    rows = {"good": exported("even", "onnx"), "bad": tmp_path / "damaged.onnx"}
    with pytest.raises(InputError, match=r"bad: cannot be measured .*cannot be loaded"):
        benchmark.benchmark_inference(models["even"], rows, seconds=0.1, repeats=1)
    with pytest.raises(InputError, match="at least 1"):
        benchmark.benchmark_inference(models["even"], rows, repeats=0)
    with pytest.raises(InputError, match="nothing to measure"):
        benchmark.benchmark_inference(models["even"], {})


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["lrl", "classifier"])
def test_a_step_of_training_is_a_row(architecture, models, tmp_path):
    model = models["even"] if architecture == "lrl" else Classifier("tiny", image_size=64)
    lrl_keras.save(model, tmp_path / "run")
    result = benchmark.benchmark_inference(
        model, {}, training=tmp_path / "run", batches=(4,), seconds=0.1, repeats=2
    )
    (row,) = result["rows"]
    assert (row["row"], row["batch"]) == ("training step", 4)
    assert row["multiply_adds"] == 3 * result["multiply_adds"]["total"]
    assert 0 < row["least"] <= row["images_per_second"] <= row["most"]
