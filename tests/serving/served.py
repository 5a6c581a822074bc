"""A small network whose answers NumPy knows as well, and servers of it on this machine."""

import contextlib
import json
import threading
import time

import numpy as np
import requests
from prometheus_client import parser

from lrl_keras import serving
from lrl_keras.serving.server import Server

SIZE = 16
PATCHES = 2
_WEIGHTS = np.random.default_rng(5).normal(0, 2e-4, (SIZE, SIZE, 3)).astype(np.float32)


def write_network(path, outputs=("label", "similarity", "mask"), dtype="float32"):
    """Write an ONNX network: label from a weighted sum, mask the grey image, similarity that of
    the patches' means."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    element = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}[dtype]
    constants = {
        "weights": _WEIGHTS.reshape(-1, 1),
        "full": np.array(255, np.float32),
        "one": np.array(1, np.float32),
        "channels": np.array([3]),
        "within": np.array([2, 4]),
        "flat": np.array([-1, SIZE * SIZE * 3]),
        "split": np.array([-1, PATCHES, SIZE // PATCHES, PATCHES, SIZE // PATCHES]),
        "column": np.array([-1, PATCHES**2, 1]),
        "row": np.array([-1, 1, PATCHES**2]),
    }
    nodes = [
        ("Cast", ["images"], "pixels", {"to": TensorProto.FLOAT}),
        ("Reshape", ["pixels", "flat"], "vector", {}),
        ("MatMul", ["vector", "weights"], "logit", {}),
        ("Sigmoid", ["logit"], "label", {}),
        ("Div", ["pixels", "full"], "unit", {}),
        ("ReduceMean", ["unit", "channels"], "mask", {"keepdims": 1}),
        ("Reshape", ["mask", "split"], "patches", {}),
        ("ReduceMean", ["patches", "within"], "means", {"keepdims": 0}),
        ("Reshape", ["means", "column"], "down", {}),
        ("Reshape", ["means", "row"], "across", {}),
        ("Sub", ["down", "across"], "difference", {}),
        ("Abs", ["difference"], "distance", {}),
        ("Sub", ["one", "distance"], "similarity", {}),
    ]
    shapes = {
        "label": ["B", 1],
        "similarity": ["B", PATCHES**2, PATCHES**2],
        "mask": ["B", SIZE, SIZE, 1],
    }
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [name], **more) for kind, inputs, name, more in nodes],
        "served",
        [helper.make_tensor_value_info("images", element, ["B", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    save(model, str(path))
    return path


def expected(images):
    """What the network answers, in float64.

    Args:
        images: (N, SIZE, SIZE, 3), 0..255.
    """
    images = np.asarray(images, np.float64)
    half = SIZE // PATCHES
    logits = (images * _WEIGHTS.astype(np.float64)).sum((1, 2, 3))
    grey = images.mean(-1, keepdims=True) / 255
    corners = [(y, x) for y in (0, half) for x in (0, half)]
    means = np.stack([grey[:, y : y + half, x : x + half, 0].mean((1, 2)) for y, x in corners], 1)
    return {
        "label": 1 / (1 + np.exp(-logits))[:, None],
        "similarity": 1 - abs(means[:, :, None] - means[:, None, :]),
        "mask": grey,
    }


def faces(count, seed=0):
    """Images that differ from one another, uint8 (count, SIZE, SIZE, 3)."""
    rng = np.random.default_rng(seed)
    brightness = rng.uniform(0.2, 1, (count, 1, 1, 3))
    return (rng.integers(0, 256, (count, SIZE, SIZE, 3)) * brightness).astype(np.uint8)


class Gate:
    """A runtime whose batches wait until they are let through; it notes their sizes.

    Images that begin with a white pixel are an error, images that begin with a black one make
    the label infinite.
    """

    def __init__(self, runtime):
        self.path, self.image_size, self.outputs = runtime.path, runtime.image_size, runtime.outputs
        self.sizes = []
        self.open = threading.Event()
        self._runtime = runtime

    def __call__(self, images):
        if not images.any():
            return self._runtime(images)  # The trial when the application is made.
        self.sizes.append(len(images))
        assert self.open.wait(20)
        first = images[:, 0, 0].astype(int).sum(-1)
        if (first == 3 * 255).any():
            raise RuntimeError(f"white among {len(images)}, secret/path")
        found = self._runtime(images)
        found["label"][first == 0] = np.inf
        return found

    def wait_for(self, count):
        """Wait until this many batches have come."""
        _until(lambda: len(self.sizes) >= count, lambda: self.sizes)


class Running:
    """A server in a thread of this process."""

    def __init__(self, runtime, *, shutdown_s=20, **options):
        self.app = serving.application(runtime, **options)
        self._server = Server("127.0.0.1", 0)
        self.url = f"{self._server.url}/v1/models/lrl"
        self.root = self._server.url
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._server.run,
            args=(self.app,),
            kwargs={"ready": ready.set, "shutdown_s": shutdown_s},
        )
        self._thread.start()
        assert ready.wait(20)

    @property
    def address(self):
        host, _, port = self.root.removeprefix("http://").rpartition(":")
        return host, int(port)

    def post(self, content, **options):
        """The response to a request to predict; content that is no text or bytes becomes JSON."""
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        options.setdefault("headers", {"content-type": "application/json"})
        return requests.post(f"{self.url}:predict", data=content, timeout=30, **options)

    def metric(self, name, **labels):
        """The value of a sample, 0 where there is none."""
        return _metric(self.root, name, **labels)

    def wait_for(self, name, value, **labels):
        """Wait until a sample has a value."""
        wait_for(self.root, name, value, **labels)

    def stop(self):
        self._server.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


def sample(text, name, **labels):
    """The value of a sample in Prometheus' text format, 0 where there is none."""
    found = [
        one.value
        for family in parser.text_string_to_metric_families(text)
        for one in family.samples
        if one.name == f"lrl_serving_{name}" and labels.items() <= one.labels.items()
    ]
    assert len(found) <= 1, found
    return found[0] if found else 0


def wait_for(root, name, value, **labels):
    """Wait until a sample of the server at a URL has a value."""

    def found():
        return _metric(root, name, **labels)

    _until(lambda: found() == value, found)


def _metric(root, name, **labels):
    return sample(requests.get(f"{root}/metrics", timeout=10).text, name, **labels)


def _until(happened, found):
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end, found()
        time.sleep(0.005)


@contextlib.contextmanager
def in_background(function, arguments):
    """Call a function once for each argument, each in a thread; gives the list of results, in
    order, which is complete at the end."""
    results = [None] * len(arguments)

    def call(index, argument):
        results[index] = function(argument)

    threads = [threading.Thread(target=call, args=pair) for pair in enumerate(arguments)]
    for thread in threads:
        thread.start()
    yield results
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
