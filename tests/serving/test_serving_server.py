"""Starting, watching and stopping."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import requests
import served

from lrl_keras import serving
from lrl_keras.errors import InputError
from lrl_keras.saving import runtimes

FACES = served.faces(2, seed=8)
ONE = {"instances": [FACES[0].tolist()]}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """A folder with version 7 of what only means its pixels."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("saved_model")
    module = tf.Module()
    module.run = tf.function(
        lambda images: {
            "label": tf.reduce_mean(images, (1, 2, 3))[:, None] / 255,
            "mask": tf.reduce_mean(images, -1, keepdims=True) / 255,
        },
        [tf.TensorSpec((None, served.SIZE, served.SIZE, 3), tf.float32, "images")],
    )
    tf.saved_model.save(module, str(folder / "7"), {"serving_default": module.run})
    return folder


# As the command line starts it.
_QUIETLY = "from lrl_keras.system.quiet import import_tensorflow; import_tensorflow()"
# Only encoded crops need TensorFlow, whose import would be most of the test's time.
_WITHOUT_TENSORFLOW = """
import sys, types
sys.modules["lrl_keras.serving.crops"] = types.ModuleType("crops")
sys.modules["tensorflow"] = None
"""


@contextlib.contextmanager
def _process(before, model, **options):
    """A server in a process of its own, and its line on standard error."""
    code = (
        f"{before}\nimport logging\nfrom lrl_keras.serving import serve\n"
        "logging.basicConfig(level='INFO', format='lrl-keras: %(message)s')\n"
        f"serve({str(model)!r}, port=0, threads=1, batch_timeout_ms=1000, **{options})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    late = threading.Timer(100, process.kill)
    late.start()
    try:
        yield process, process.stderr.readline()
    finally:
        late.cancel()
        process.kill()
        process.communicate()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("before", "model", "path", "number", "log"),
    [
        (_WITHOUT_TENSORFLOW, "network_file", "", signal.SIGINT, True),
        (_QUIETLY, "saved_model", "/versions/7", signal.SIGTERM, False),
    ],
    ids=["onnx", "saved_model"],
)
def test_a_signal_lets_accepted_requests_finish(before, model, path, number, log, request):
    """A request waits for others to run with; meanwhile the signal comes."""
    model = request.getfixturevalue(model)
    with _process(before, model, access_log=log) as (process, line):
        assert line.startswith(f"lrl-keras: serving {model} at http://127.0.0.1:")
        assert line.endswith("/v1/models/lrl:predict\n")
        root = line.split()[-1].partition("/v1/")[0]
        url = f"{root}/v1/models/lrl{path}"
        assert requests.get(f"{root}/healthz", timeout=10).json() == {"status": "ok"}
        assert requests.get(url, timeout=10).status_code == 200
        assert requests.get(f"{root}/v1/models/lrl/versions/8", timeout=10).status_code == 404
        with served.in_background(
            lambda body: requests.post(f"{url}:predict", json=body, timeout=20), [ONE]
        ) as answers:
            served.wait_for(root, "queue_images", 1)
            process.send_signal(number)
            out, errors = process.communicate(timeout=20)
        assert answers[0].status_code == 200
        (row,) = answers[0].json()["predictions"]
        wanted = served.expected(FACES[:1])["mask"][0]
        np.testing.assert_allclose(row["mask"], wanted, rtol=1e-5)
        assert process.returncode == 0, errors
        assert out == ""
        assert ('%3Apredict HTTP/1.1" 200' in errors) == log
        assert bool(errors) == log, errors
        with pytest.raises(requests.ConnectionError):
            requests.get(root, timeout=10)


def test_a_server_that_stops_says_so(start, gate):
    server = start(gate, batch_size=1)
    assert requests.get(f"{server.root}/healthz", timeout=10).status_code == 200
    with served.in_background(server.post, [ONE]) as accepted:
        gate.wait_for(1)
        server.app.state.service.stop()
        (status,) = requests.get(server.url, timeout=10).json()["model_version_status"]
        assert (status["version"], status["state"]) == ("1", "END")
        assert requests.get(f"{server.root}/healthz", timeout=10).status_code == 503
        refused = server.post(ONE)
        assert refused.status_code == 503
        assert refused.json()["error"].startswith("the server is stopping")
        assert server.metric("rejected_total", cause="stopping") == 1
        gate.open.set()
    assert accepted[0].status_code == 200


def test_what_takes_too_long_does_not_keep_it_from_stopping(start, gate, caplog):
    server = start(gate, batch_size=1, shutdown_s=0.2)
    with served.in_background(server.post, [ONE, ONE]) as accepted:
        gate.wait_for(1)
        server.wait_for("queue_images", 1)
        server.stop()
        assert not gate.open.is_set()
    assert [answer.status_code for answer in accepted] == [503, 503]
    assert "Traceback" not in caplog.text


def test_metrics_of_two_servers_in_one_process(start, runtime):
    one, other = start(runtime), start(runtime)
    for content in (ONE, {**ONE, "signature_name": "label_only"}, {"instances": []}, "{"):
        one.post(content)
    text = requests.get(f"{one.root}/monitoring/prometheus/metrics", timeout=10).text
    for signature, code, count in (
        ("serving_default", "200", 1),
        ("label_only", "200", 1),
        ("serving_default", "400", 1),
        ("unknown", "400", 1),
    ):
        found = served.sample(text, "requests_total", signature=signature, code=code)
        assert found == count, (signature, code)
    assert served.sample(text, "request_seconds_count", signature="serving_default") == 2
    assert 0 < served.sample(text, "request_seconds_sum", signature="label_only") < 10
    assert served.sample(text, "images_total") == 2
    assert other.metric("images_total") == 0
    assert other.metric("requests_total") == 0


def test_openmetrics_for_those_who_ask(server):
    from prometheus_client.openmetrics import parser

    server.post(ONE)
    headers = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = requests.get(f"{server.root}/metrics", headers=headers, timeout=10)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    families = {one.name: one for one in parser.text_string_to_metric_families(response.text)}
    assert families["lrl_serving_images"].samples[0].value >= 1


def test_an_address_that_is_taken(network_file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"^127.0.0.1:{port}: cannot be listened on \(.+give"):
            serving.serve(network_file, port=port)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"host": "203.0.113.7"}, r"^203.0.113.7:\d+: cannot be listened on"),
        ({"port": 65536}, "port must lie in"),
        ({"port": 0, "name": "a/b"}, "name must consist of"),
        ({"port": 0, "batch_size": 0}, "batch_size must be"),
        ({"port": 0, "queue_size": 0}, "queue_size must be"),
        ({"port": 0, "batch_timeout_ms": -1}, "batch_timeout_ms must be"),
        ({"port": 0, "max_body_mb": 0}, "max_body_mb must be"),
        ({"port": 0, "shutdown_s": -1}, "shutdown_s must be"),
    ],
)
def test_wrong_arguments(network_file, options, reason):
    with pytest.raises(InputError, match=reason):
        serving.serve(network_file, **{"port": 0, **options})


def test_a_network_that_cannot_be_loaded_or_run(tmp_path, runtime):
    with pytest.raises(InputError, match=r"none.onnx: no such file"):
        serving.serve(tmp_path / "none.onnx", port=0)

    def broken(images):
        raise RuntimeError("no\nkernel")

    for name in ("path", "image_size", "outputs"):
        setattr(broken, name, getattr(runtime, name))
    with pytest.raises(InputError, match=r"model.onnx: cannot be run \(no kernel\)"):
        serving.application(broken)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "prometheus_client"])
def test_a_package_that_is_missing(package, network_file, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"needs {package} .*pip install .*'\.\[serve\]'"):
        serving.serve(network_file, port=0)


def test_nothing_is_imported_before_it_is_used():
    code = (
        "import sys, lrl_keras.serving\n"
        "heavy = {'starlette', 'uvicorn', 'prometheus_client', 'tensorflow', 'keras', 'numpy'}\n"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n")


def test_a_socket_is_given_back(network_file, runtime):
    """Two in a row on the same port, each stopped with a connection still open."""
    from lrl_keras.serving.server import Server

    port = 0
    for _ in range(2):
        with Server("127.0.0.1", port) as server, requests.Session() as session:
            port = int(server.url.rpartition(":")[2])
            ready = threading.Event()
            app = serving.application(runtimes.load(network_file, threads=1))
            thread = threading.Thread(target=server.run, args=(app,), kwargs={"ready": ready.set})
            thread.start()
            assert ready.wait(20)
            url = f"{server.url}/v1/models/lrl:predict"
            assert session.post(url, data=json.dumps(ONE), timeout=10).status_code == 200
            server.stop()
            thread.join(20)
            assert not thread.is_alive()
