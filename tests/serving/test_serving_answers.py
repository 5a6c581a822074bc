"""The same faces in every format give the numbers that NumPy computes."""

import base64
import io
import json

import numpy as np
import pytest
import requests
import served
from PIL import Image, ImageOps
from skimage import data

from lrl_keras.errors import InputError
from lrl_keras.saving import runtimes
from lrl_keras.serving import application

FACES = served.faces(3)
EXPECTED = served.expected(FACES)


def _encoded(image, format="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, format, **options)
    return {"b64": base64.b64encode(file.getvalue()).decode()}


def _rows(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    rows = response.json()["predictions"]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _columns(response):
    assert response.status_code == 200, response.text
    return {name: np.array(value) for name, value in response.json()["outputs"].items()}


def _agree(found, wanted=EXPECTED):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].shape == value.shape, name
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


PNGS = [_encoded(face) for face in FACES]
LISTS = FACES.tolist()


@pytest.mark.parametrize(
    "content",
    [
        {"instances": LISTS},
        {"instances": [{"images": face} for face in LISTS]},
        {"signature_name": "serving_default", "instances": LISTS},
        {"signature_name": "", "instances": LISTS},
        {"signature_name": "serve_bytes", "instances": PNGS},
        {"signature_name": "serve_bytes", "instances": [{"image_bytes": png} for png in PNGS]},
        {"instances": FACES.astype(float).tolist(), "another key": None},
    ],
)
def test_rows(server, content):
    _agree(_rows(server.post(content)))


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": LISTS},
        {"inputs": {"images": LISTS}},
        {"signature_name": "serve_bytes", "inputs": PNGS},
        {"signature_name": "serve_bytes", "inputs": {"image_bytes": PNGS}},
    ],
)
def test_columns(server, content):
    _agree(_columns(server.post(content)))


@pytest.mark.parametrize(("given", "taken"), [("instances", "predictions"), ("inputs", "outputs")])
def test_the_label_alone_has_no_name(server, given, taken):
    response = server.post({"signature_name": "label_only", given: LISTS})
    (values,) = response.json().items()
    assert values[0] == taken
    np.testing.assert_allclose(values[1], EXPECTED["label"], rtol=1e-5)


def test_numbers_are_those_of_the_runtime_to_the_bit(server, runtime):
    fractions = np.random.default_rng(1).uniform(0, 255, FACES.shape).astype(np.float32)
    found = _rows(server.post({"instances": fractions.tolist()}))
    for name, value in runtime(fractions).items():
        np.testing.assert_array_equal(found[name].astype(np.float32), value)
    _agree(found, served.expected(fractions))


def test_what_curl_sends_by_itself_is_read(server):
    for headers in ({"content-type": "application/x-www-form-urlencoded"}, {"content-type": None}):
        _agree(_rows(server.post({"instances": LISTS}, headers=headers)))


def test_version_in_the_path(server):
    found = requests.post(f"{server.url}/versions/1:predict", json={"instances": LISTS}, timeout=10)
    _agree(_rows(found))
    for ending in ("", "/metadata"):
        one, other = (
            requests.get(server.url + version + ending, timeout=10).json()
            for version in ("", "/versions/1")
        )
        assert one == other


@pytest.mark.parametrize(
    "encode", [base64.encodebytes, lambda contents: base64.b64encode(contents).rstrip(b"=")]
)
def test_base64_with_line_breaks_or_without_padding(server, encode):
    pngs = [base64.b64decode(png["b64"]) for png in PNGS]
    # Bytes behind a PNG's end do not count; one of three lengths needs no padding.
    pngs = [png + bytes((index - len(png)) % 3) for index, png in enumerate(pngs)]
    content = [{"b64": encode(png).decode()} for png in pngs]
    _agree(_rows(server.post({"signature_name": "serve_bytes", "instances": content})))


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("JPEG", {"quality": 95})])
def test_files_are_decoded_and_resized_as_pillow_does_it(server, format, options):
    picture = data.astronaut()[:300, 100:340]
    content = {"signature_name": "serve_bytes", "inputs": [_encoded(picture, format, **options)]}
    found = _columns(server.post(content))["mask"][0, ..., 0]
    decoded = Image.open(io.BytesIO(base64.b64decode(content["inputs"][0]["b64"])))
    small = decoded.resize((served.SIZE, served.SIZE), Image.Resampling.BILINEAR)
    wanted = np.asarray(small, np.float64).mean(-1) / 255
    assert np.ptp(wanted) > 0.3
    np.testing.assert_allclose(found, wanted, atol=1.01 / 255)


def test_a_photograph_is_turned_upright(server):
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise.
    sent = _encoded(data.astronaut()[:200, 100:300], "JPEG", quality=95, exif=exif)
    found = _columns(server.post({"signature_name": "serve_bytes", "inputs": [sent]}))["mask"]
    lying = Image.open(io.BytesIO(base64.b64decode(sent["b64"])))
    lying, upright = (
        np.asarray(one.resize((served.SIZE, served.SIZE), Image.Resampling.BILINEAR)).mean(-1) / 255
        for one in (lying, ImageOps.exif_transpose(lying))
    )
    np.testing.assert_allclose(found[0, ..., 0], upright, atol=1.01 / 255)
    assert abs(found[0, ..., 0] - lying).max() > 0.2


def test_what_export_noted_is_followed(start, tmp_path):
    file = served.write_network(tmp_path / "model.onnx", dtype="uint8")
    (tmp_path / "model.onnx.json").write_text('{"crop_size": 8, "input_type": "uint8"}')
    server = start(runtimes.load(file, threads=1))
    picture = np.random.default_rng(2).integers(0, 256, (50, 50, 3), np.uint8)

    def grey(*sizes):
        image = Image.fromarray(picture)
        for size in sizes:
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(image, np.float64).mean(-1, keepdims=True) / 255

    content = {"signature_name": "serve_bytes", "inputs": [_encoded(picture)]}
    found = _columns(server.post(content))["mask"][0]
    assert abs(found - grey(8, served.SIZE)).max() < 2 / 255
    assert abs(found - grey(served.SIZE)).max() > 10 / 255

    _agree(_rows(server.post({"instances": LISTS})))
    refused = server.post({"instances": (FACES / 2).tolist()})
    assert refused.status_code == 400
    assert "instance 0: holds fractions" in refused.json()["error"]
    metadata = requests.get(f"{server.url}/metadata", timeout=10).json()["metadata"]
    default = metadata["signature_def"]["signature_def"]["serving_default"]
    assert default["inputs"]["images"]["dtype"] == "DT_UINT8"

    (tmp_path / "model.onnx.json").write_text('{"crop_size": "8"}')
    with pytest.raises(InputError, match=r"model.onnx.json: cannot be read"):
        application(runtimes.load(file, threads=1))


def test_a_network_of_the_label_alone(start, tmp_path):
    file = served.write_network(tmp_path / "label.onnx", ["label"])
    server = start(runtimes.load(file, threads=1))
    for signature in ("serving_default", "label_only"):
        response = server.post({"signature_name": signature, "instances": LISTS})
        np.testing.assert_allclose(response.json()["predictions"], EXPECTED["label"], rtol=1e-5)


@pytest.mark.tensorflow
def test_tensorflow_serving_would_say_the_same_of_itself(server):
    apis = pytest.importorskip("tensorflow_serving.apis", exc_type=ImportError)
    assert apis is not None
    from google.protobuf import json_format
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

    status = json_format.Parse(
        requests.get(server.url, timeout=10).text, get_model_status_pb2.GetModelStatusResponse()
    )
    (version,) = status.model_version_status
    states = get_model_status_pb2.ModelVersionStatus
    assert (version.version, version.state) == (1, states.AVAILABLE)
    assert version.status.error_code == 0

    metadata = requests.get(f"{server.url}/metadata", timeout=10).json()
    assert metadata["model_spec"] == {"name": "lrl", "signature_name": "", "version": "1"}
    parsed = json_format.Parse(
        json.dumps(metadata["metadata"]["signature_def"]), get_model_metadata_pb2.SignatureDefMap()
    ).signature_def
    found = {
        name: [
            {
                key: (one.dtype, [dimension.size for dimension in one.tensor_shape.dim])
                for key, one in side.items()
            }
            for side in (signature.inputs, signature.outputs)
        ]
        for name, signature in parsed.items()
    }
    number, text, size, k = 1, 7, served.SIZE, served.PATCHES**2
    label = {"label": (number, [-1, 1])}
    every = {
        **label,
        "similarity": (number, [-1, k, k]),
        "mask": (number, [-1, size, size, 1]),
    }
    images = {"images": (number, [-1, size, size, 3])}
    assert found == {
        "serving_default": [images, every],
        "serve_bytes": [{"image_bytes": (text, [-1])}, every],
        "label_only": [images, label],
    }
    assert {one.method_name for one in parsed.values()} == {"tensorflow/serving/predict"}
