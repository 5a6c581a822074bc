"""Images of many clients run together; each client gets its own, or its own error."""

import json
import socket

import numpy as np
import pytest
import served

FACES = served.faces(40, seed=3)
EXPECTED = served.expected(FACES)


def _one(server):
    """A function that sends the face of an index."""
    return lambda index: server.post({"instances": [FACES[index].tolist()]})


def _right(response, index):
    assert response.status_code == 200, response.text
    (row,) = response.json()["predictions"]
    for name, value in EXPECTED.items():
        np.testing.assert_allclose(row[name], value[index], rtol=1e-5, atol=1e-6)


def test_thirty_two_clients_at_once(start, gate):
    assert len(np.unique(EXPECTED["label"].round(5))) == len(FACES)
    server = start(gate, batch_size=8)
    with served.in_background(_one(server), range(32)) as responses:
        # What comes while the first batch runs is gathered.
        gate.wait_for(1)
        server.wait_for("queue_images", 32 - gate.sizes[0])
        gate.open.set()
    for index, response in enumerate(responses):
        _right(response, index)
    assert sum(gate.sizes) == 32
    assert gate.sizes[1:-1] == [8] * (len(gate.sizes) - 2)
    assert server.metric("batch_images_count") == len(gate.sizes) <= 5
    assert server.metric("batch_images_sum") == 32
    assert server.metric("images_total") == 32
    assert server.metric("queue_images") == 0


def test_clients_that_come_and_go(start, runtime):
    """Without a gate, and each with several requests of another number of images."""
    server = start(runtime, batch_size=4, batch_timeout_ms=5)

    def send(client):
        picked = [(client + step) % len(FACES) for step in range(1 + client % 6)]
        return [
            (picked, server.post({"inputs": FACES[picked].tolist()}).json()["outputs"])
            for _ in range(3)
        ]

    with served.in_background(send, range(12)) as results:
        pass
    for picked, outputs in (pair for result in results for pair in result):
        for name, value in EXPECTED.items():
            np.testing.assert_allclose(outputs[name], value[picked], rtol=1e-5, atol=1e-6)
    assert server.metric("requests_total", signature="serving_default", code="200") == 36
    assert server.metric("batch_images_bucket", le="4.0") == server.metric("batch_images_count")


def test_a_large_request_is_cut(start, gate):
    gate.open.set()
    server = start(gate, batch_size=8)
    response = server.post({"inputs": FACES[:20].tolist()})
    for name, value in EXPECTED.items():
        np.testing.assert_allclose(
            response.json()["outputs"][name], value[:20], rtol=1e-5, atol=1e-6
        )
    assert gate.sizes == [8, 8, 4]


def test_a_full_batch_does_not_wait(start, gate):
    gate.open.set()
    server = start(gate, batch_size=2, batch_timeout_ms=60_000)
    with served.in_background(_one(server), [4, 5]) as responses:
        pass
    _right(responses[0], 4)
    _right(responses[1], 5)
    assert gate.sizes == [2]


def test_an_image_alone_waits_for_the_timeout(start, gate):
    gate.open.set()
    server = start(gate, batch_size=2, batch_timeout_ms=200)
    response = _one(server)(6)
    _right(response, 6)
    assert response.elapsed.total_seconds() >= 0.2
    assert gate.sizes == [1]


def test_a_full_queue_is_503(start, gate):
    server = start(gate, batch_size=2, queue_size=3)
    with served.in_background(_one(server), [0]) as first:
        gate.wait_for(1)
        with served.in_background(_one(server), [1, 2]) as others:
            server.wait_for("queue_images", 2)
            # One place is left, for one image and not for two.
            refused = server.post({"instances": FACES[:2].tolist()})
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"].startswith("2 of 3 places are taken")
            with served.in_background(_one(server), [3]) as last:
                server.wait_for("queue_images", 3)
                assert _one(server)(7).status_code == 503
                assert server.metric("rejected_total", cause="queue") == 2
                gate.open.set()
    for index, response in enumerate([*first, *others, *last]):
        _right(response, index)
    _right(_one(server)(7), 7)


@pytest.mark.parametrize(("pixel", "reason"), [
    (255, "the network failed (RuntimeError); see the log"),
    (0, "the network gives a label that is not finite"),
])  # fmt: skip
def test_a_failure_is_that_of_one_request(start, gate, pixel, reason, caplog):
    server = start(gate, batch_size=3, batch_timeout_ms=60_000)
    bad = FACES[1].copy()
    bad[0, 0] = pixel
    images = [FACES[0], bad, FACES[2]]
    gate.open.set()
    with served.in_background(
        lambda index: server.post({"instances": [images[index].tolist()]}), range(3)
    ) as responses:
        pass
    assert gate.sizes == ([3, 1, 1, 1] if pixel else [3])
    _right(responses[0], 0)
    _right(responses[2], 2)
    assert responses[1].status_code == 500
    assert responses[1].json() == {"error": reason}
    assert ("secret/path" in caplog.text) == bool(pixel)
    with served.in_background(_one(server), [3, 4, 5]) as responses:
        pass
    for index, response in enumerate(responses, 3):
        _right(response, index)


def test_the_rest_of_a_failed_request_is_not_run(start, gate):
    server = start(gate, batch_size=2)
    gate.open.set()
    images = FACES[:6].copy()
    images[0, 0, 0] = 255
    assert server.post({"instances": images.tolist()}).status_code == 500
    _right(_one(server)(9), 9)
    assert gate.sizes == [2, 1]


def test_work_of_a_client_that_has_gone_is_dropped(start, gate):
    server = start(gate, batch_size=8)
    with served.in_background(_one(server), [0]) as first:
        gate.wait_for(1)
        body = json.dumps({"instances": FACES[1:4].tolist()}).encode()
        head = f"POST /v1/models/lrl:predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}"
        with socket.create_connection(server.address, 10) as gone:
            gone.sendall(head.encode() + b"\r\n\r\n" + body)
            server.wait_for("queue_images", 3)
        server.wait_for("queue_images", 0)
        gate.open.set()
    _right(first[0], 0)
    _right(_one(server)(9), 9)
    assert gate.sizes == [1, 1]
    assert server.metric("requests_total", code="499") == 1
