"""What TensorFlow Serving would be given: signatures, warm-up requests, configuration.

Its binary is not at hand; its messages are, and are passed through the signatures.
"""

import base64
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from networks import arrays, faces
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from lrl_keras.prediction.predictor import predict


@pytest.fixture(scope="module")
def served(exported):
    path = exported("even", "saved_model")
    return path, tf.saved_model.load(str(path))


def answer(loaded, request):
    """What the server does with a message: the inputs of a signature by name, and back."""
    signature = loaded.signatures[request.model_spec.signature_name]
    inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
    response = predict_pb2.PredictResponse()
    for name, value in signature(**inputs).items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    again = predict_pb2.PredictResponse.FromString(response.SerializeToString())
    return {name: tf.make_ndarray(tensor) for name, tensor in again.outputs.items()}


def request(signature, name, values):
    made = predict_pb2.PredictRequest()
    made.model_spec.name = "lrl"
    made.model_spec.signature_name = signature
    made.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return predict_pb2.PredictRequest.FromString(made.SerializeToString())


def encoded(picture, kind, **options):
    target = io.BytesIO()
    Image.fromarray(picture).save(target, kind, **options)
    return target.getvalue()


def test_names_of_signatures_inputs_and_outputs(served):
    _, loaded = served
    assert set(loaded.signatures) == {"serving_default", "serve_bytes", "label_only"}
    described = {
        name: (
            {key: (spec.shape.as_list(), spec.dtype.name)
             for key, spec in one.structured_input_signature[1].items()},
            {key: (spec.shape.as_list(), spec.dtype.name)
             for key, spec in one.structured_outputs.items()},
        )
        for name, one in loaded.signatures.items()
    }  # fmt: skip
    images = {"images": ([None, 64, 64, 3], "float32")}
    everything = {
        "label": ([None, 1], "float32"),
        "similarity": ([None, 16, 16], "float32"),
        "mask": ([None, 64, 64, 1], "float32"),
    }
    assert described == {
        "serving_default": (images, everything),
        "serve_bytes": ({"image_bytes": ([None], "string")}, everything),
        "label_only": (images, {"label": everything["label"]}),
    }


def test_messages_pass_through_the_signatures(served, models):
    _, loaded = served
    pictures = faces(3, 64)
    expected = arrays(models["even"](pictures))
    found = answer(loaded, request("serving_default", "images", pictures))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5 if name != "mask" else 1e-4)
    label = answer(loaded, request("label_only", "images", pictures))
    assert set(label) == {"label"}
    np.testing.assert_allclose(label["label"], expected["label"], atol=1e-5)


def test_encoded_faces_score_as_prediction_scores_them(served, models, tmp_path):
    """JPEGs and PNGs of other sizes than the network's, one of them turned by its EXIF block."""
    _, loaded = served
    picture = faces(1, 200)[0].astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = [
        encoded(picture, "JPEG", quality=80),
        encoded(picture[:150], "PNG"),
        encoded(picture[:, :90], "JPEG", exif=exif),
    ]
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"{number}.img")
        paths[-1].write_bytes(content)
    found = answer(loaded, request("serve_bytes", "image_bytes", np.array(contents, object)))
    expected = [result["score"] for result in predict(models["even"], paths, crop="none")]
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(found["label"][:, 0], expected, atol=1e-5)


def test_json_payloads_give_the_same_numbers(served, models):
    """What the REST API takes: rows of `images`, and base64 for bytes."""
    _, loaded = served
    pictures = faces(2, 64)
    rows = json.loads(json.dumps({"instances": [{"images": face.tolist()} for face in pictures]}))
    columns = np.array([row["images"] for row in rows["instances"]], np.float32)
    found = answer(loaded, request("serving_default", "images", columns))
    expected = arrays(models["even"](pictures))
    np.testing.assert_allclose(found["label"], expected["label"], atol=1e-5)
    png = [encoded(face.astype(np.uint8), "PNG") for face in faces(2, 84)]
    rows = json.dumps(
        {"instances": [{"image_bytes": {"b64": base64.b64encode(one).decode()}} for one in png]}
    )
    contents = [
        base64.b64decode(row["image_bytes"]["b64"]) for row in json.loads(rows)["instances"]
    ]
    assert contents == png
    found = answer(loaded, request("serve_bytes", "image_bytes", np.array(contents, object)))
    resized = answer(loaded, request("serve_bytes", "image_bytes", np.array(png[:1], object)))
    np.testing.assert_allclose(found["label"][:1], resized["label"], atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut off"])
def test_bytes_that_are_no_picture_are_an_error(content, served):
    _, loaded = served
    good = encoded(faces(1, 64)[0].astype(np.uint8), "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError):
        answer(loaded, request("serve_bytes", "image_bytes", np.array([good, content], object)))
    # And the next request is answered.
    answer(loaded, request("serve_bytes", "image_bytes", np.array([good], object)))


def test_the_warm_up_requests_run(served):
    path, loaded = served
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    seen = []
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        made = log.predict_log.request
        assert made.model_spec.name == "lrl"
        found = answer(loaded, made)
        assert all(np.isfinite(value).all() for value in found.values())
        seen.append((made.model_spec.signature_name, len(found["label"])))
    names = ("serving_default", "label_only", "serve_bytes")
    assert seen == [(name, count) for count in (1, 8) for name in names]


def test_the_configuration_parses(served):
    path, _ = served
    config = text_format.Parse(
        (path.parent / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (
        "lrl", "/models/lrl", "tensorflow",
    )  # fmt: skip
    # BatchingParameters are not among the published messages: each line is `name { value: N }`.
    lines = (path.parent / "batching.config").read_text().splitlines()
    fields = dict(line.split(maxsplit=1) for line in lines if not line.startswith("#"))
    assert set(fields) == {
        "max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads",
    }  # fmt: skip
    assert all(value.startswith("{ value: ") and value.endswith(" }") for value in fields.values())
