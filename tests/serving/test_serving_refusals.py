"""What is wrong with a request is one line with a status of 4xx, and the server goes on."""

import base64
import http.client
import io
import json
import socket
import struct
import zlib

import numpy as np
import pytest
import requests
import served
from PIL import Image

FACE = served.faces(1)[0].tolist()
MIB = 1 << 20


def _face(changed):
    """The face with its last channel changed."""
    face = json.loads(json.dumps(FACE))
    face[-1][-1][-1] = changed
    return face


def _bytes(contents):
    return {"b64": base64.b64encode(contents).decode()}


def _png(width, height, pixels=b""):
    def chunk(kind, contents):
        checksum = struct.pack(">I", zlib.crc32(kind + contents))
        return struct.pack(">I", len(contents)) + kind + contents + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _saved(image, format):
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


GOOD = _bytes(_saved(Image.new("RGB", (20, 20), (9, 99, 199)), "PNG"))
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
# The number of pixels stands in the header of a JPEG, two bytes each side.
_SMALL = _saved(Image.new("RGB", (40, 30)), "JPEG")
JPEG_BOMB = _SMALL.replace(struct.pack(">HH", 30, 40), struct.pack(">HH", 65000, 65000))


def _short(value):
    return repr(value)[:40] if isinstance(value, str | bytes) else None


def _texts(text):
    return {"signature_name": "serve_bytes", "instances": [GOOD, text]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the body is empty"),
        (b"\xff\xfe{\0}\0", "not UTF-8 (at byte 0)"),
        ('{"instances": "\udcff"}'.encode("utf-8", "surrogateescape"), "not UTF-8 (at byte 15)"),
        (b"\xef\xbb\xbf{}", "no JSON (Unexpected UTF-8 BOM"),
        ("{", "no JSON (Expecting property name"),
        ('{"instances": [1,]}', "no JSON"),
        ("[1]", "the body is a list, expected an object"),
        ("null", "the body is null"),
        ("[" * 9000, "nested too deeply"),
        ('{"instances": [' + "9" * 5000 + "]}", "too many digits"),
        ({}, "either 'instances' (rows) or 'inputs' (columns)"),
        ({"instances": [FACE], "inputs": [FACE]}, "either 'instances' (rows) or 'inputs'"),
        ({"instances": []}, "'instances' is empty"),
        ({"inputs": {"images": []}}, "'inputs' is empty"),
        ({"instances": "x"}, "'instances' is a string"),
        ({"inputs": {"images": 3}}, "'inputs' is a number"),
        ({"inputs": {"image": [FACE]}}, "'inputs': holds 'image', expected 'images' alone"),
        ({"inputs": {}}, "'inputs': holds nothing"),
        ({"instances": [FACE, {"images": FACE, "a": 1}]}, "instance 1: holds 'images', 'a'"),
        ({"signature_name": 3, "instances": [FACE]}, "'signature_name' is a number"),
        ({"signature_name": "x\n", "instances": [FACE]}, "no signature is called 'x\\n'"),
        ({"instances": [[]] * 18_000}, "more lists than 64 images have"),
        ({"instances": [{}] * 18_000}, "more lists than 64 images have"),
        ({"instances": FACE}, "'instances' is one image, expected a list of them"),
        ({"inputs": {"images": FACE}}, "'inputs' is one image"),
        ({"instances": [1] * 65}, "65 images in one request, at most 64"),
        ({"instances": [FACE, FACE[:-1]]}, "instance 1: expected 16 x 16 x 3 numbers, found 15"),
        ({"instances": [[*FACE[:-1], FACE[0][:-1]]]}, "found 15 and 16 columns"),
        ({"instances": [[*FACE[:-1], [*FACE[0][:-1], [1, 2]]]]}, "found 2 and 3 channels"),
        ({"instances": [[FACE]]}, "instance 0: expected 16 x 16 x 3 numbers, found 1 rows"),
        ({"instances": [FACE, 7]}, "instance 1: expected 16 x 16 x 3 numbers, found a number"),
        ({"instances": [_face([1])]}, "found a list for a channel"),
        ({"instances": [_face("1")]}, "found a string for a channel"),
        ({"instances": [_face(True)]}, "found true or false for a channel"),
        ({"instances": [_face(None)]}, "found null for a channel"),
        ({"instances": [FACE, _face(float("nan"))]}, "holds NaN"),
        ({"instances": [_face(float("-inf"))]}, "holds -Infinity"),
        (json.dumps({"instances": [_face(77777)]}).replace("77777", "1e999"), "holds inf"),
        ({"instances": [FACE, _face(255.001)]}, "instance 1: holds 255.001, values must lie in"),
        ({"instances": [_face(-1)]}, "instance 0: holds -1, values"),
        ({"instances": [_face(10**400)]}, "instance 0: holds inf"),
        ({"instances": [GOOD]}, '"signature_name": "serve_bytes"'),
        ({"inputs": {"images": [GOOD]}}, '"signature_name": "serve_bytes"'),
        ({"signature_name": "label_only", "instances": [GOOD]}, "label_only takes lists"),
        ({"signature_name": "serve_bytes", "inputs": GOOD}, "'inputs' is an object"),
        (_texts(FACE), 'instance 1: found a list, expected {"b64": "..."}'),
        (_texts("aGVsbG8="), "instance 1: found a string"),
        (_texts({"b64": 1}), "instance 1: found a number"),
        (_texts({"b64": ""}), "instance 1: 'b64' is empty"),
        (_texts({"b64": "no base64!"}), "instance 1: 'b64' is no base64"),
        (_texts({"b64": "\u00e9\u00e9\u00e9\u00e9"}), "instance 1: 'b64' is no base64"),
        (_texts({"images": GOOD}), "instance 1: holds 'images', expected 'image_bytes' alone"),
        (_texts(_bytes(b"hello")), "instance 1: no JPEG or PNG"),
        (_texts(_bytes(_saved(NOISE, "GIF"))), "instance 1: no JPEG or PNG"),
        (_texts(_bytes(_saved(NOISE, "PNG")[:2000])), "instance 1: damaged or cut off"),
        (_texts(_bytes(_saved(NOISE, "JPEG")[:1500])), "instance 1: damaged or cut off"),
    ],
    ids=_short,
)  # fmt: skip
def test_bad_bodies(server, content, reason):
    response = server.post(content)
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"]
    error = response.json()["error"]
    assert reason in error
    assert error.isprintable()
    assert len(error) < 250
    assert server.post({"instances": [FACE]}).status_code == 200


def test_as_many_images_as_are_allowed(server):
    for instances in ([FACE] * 64, [{"images": FACE}] * 64):
        response = server.post({"instances": instances})
        assert response.status_code == 200, response.text
        assert len(response.json()["predictions"]) == 64


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        # Nothing is behind these headers: a decoder would say that they are cut off.
        (_png(4097, 4096), "4097 x 4096 pixels, at most 16777216"),
        (_png(2**31 - 1, 2**31 - 1), "more than 16777216 pixels"),
        (JPEG_BOMB, "more than 16777216 pixels"),
        (_png(9000, 9000, bytes(9000 * 27001)), "9000 x 9000 pixels"),
    ],
    ids=_short,
)
def test_bombs_are_refused_before_they_are_decoded(server, bomb, reason):
    assert len(bomb) < 300_000
    response = server.post(_texts(_bytes(bomb)))
    assert response.status_code == 400
    assert response.json()["error"].startswith(f"instance 1: {reason}")


def test_the_largest_picture_that_is_allowed(server):
    picture = _png(4096, 4096, b"\0" * 4096 * (4096 * 3 + 1))
    response = server.post({"signature_name": "serve_bytes", "instances": [_bytes(picture)]})
    assert response.status_code == 200, response.text
    assert np.array(response.json()["predictions"][0]["mask"]).max() == 0


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"content-type": "image/jpeg"}, "content-type 'image/jpeg' is not read"),
        ({"content-type": "multipart/form-data; boundary=x"}, "'multipart/form-data'"),
        ({"content-encoding": "gzip"}, "content-encoding 'gzip' is not read"),
    ],
)
def test_other_types_than_json(server, headers, reason):
    response = server.post({"instances": [FACE]}, headers=headers)
    assert response.status_code == 415
    assert reason in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/models", 404),
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/models/lrl/", 404),
        ("GET", "/v1/models/lrl/versions/2", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v1/models/lrl/versions/2:predict", 404),
        ("POST", "/v1/models/lrl:classify", 404),
        ("GET", "/v1/models/lrl:predict", 405),
        ("POST", "/v1/models/lrl", 405),
        ("DELETE", "/metrics", 405),
    ],
)
def test_other_paths_and_methods(server, method, path, status):
    response = requests.request(method, server.root + path, json={"instances": [FACE]}, timeout=10)
    assert response.status_code == status
    assert path in response.json()["error"]


def _announced(server, length, body=b""):
    """The answer to a request of whose body only a part is sent."""
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.putrequest("POST", "/v1/models/lrl:predict")
    connection.putheader("content-length", str(length))
    connection.endheaders(body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())["error"]


def test_a_body_that_is_too_large_is_refused_unread(server):
    status, error = _announced(server, 32 * MIB + 1)
    assert (status, error) == (413, "the body has more than 32 MiB")


def test_the_limit_is_met_to_the_byte(start, runtime):
    server = start(runtime, max_body_mb=1 / 64)
    body = json.dumps({"instances": [FACE]}).ljust(MIB // 64)
    assert len(body) == MIB // 64
    assert server.post(body).status_code == 200
    assert server.post(body + " ").status_code == 413
    assert server.post(body).status_code == 200


def test_a_body_of_unknown_length_is_counted(start, runtime):
    server = start(runtime, max_body_mb=1 / 64)
    whole = json.dumps({"instances": [FACE]}).encode()

    def send(chunks):
        return requests.post(f"{server.url}:predict", data=iter(chunks), timeout=10)

    assert send([whole[:100], whole[100:]]).status_code == 200
    response = send([whole[:1000]] * 100)
    assert response.status_code == 413
    assert response.json()["error"] == "the body has more than 0.015625 MiB"
    assert send([whole]).status_code == 200


@pytest.mark.parametrize("length", [None, 64 * MIB])
def test_a_client_that_closes_reads_why_its_body_is_refused(server, length):
    """It sends all of the body before it reads; a connection reset would lose the answer."""
    headers = {"connection": "close"}
    headers |= {"content-length": str(length)} if length else {"transfer-encoding": "chunked"}
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    body = (b" " * MIB for _ in range(64))
    connection.request(
        "POST", "/v1/models/lrl:predict", body, headers, encode_chunked=length is None
    )
    assert connection.getresponse().status == 413


def test_bodies_that_are_too_large_together(start, runtime):
    server = start(runtime, max_body_mb=1 / 64)
    part = b"POST /v1/models/lrl:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 16001\r\n\r\n"
    part += b" " * 16000
    sockets = [socket.create_connection(server.address, 10) for _ in range(9)]
    try:
        for one in sockets:
            one.sendall(part)
        server.wait_for("rejected_total", 1, cause="memory")
        assert server.metric("requests_total", code="503") == 1
    finally:
        for one in sockets:
            one.close()
    server.wait_for("requests_total", 8, code="499")
    assert server.post({"instances": [FACE]}).status_code == 200
