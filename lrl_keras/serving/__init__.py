"""An exported network behind TensorFlow Serving's REST interface, without TensorFlow Serving."""

from __future__ import annotations

import importlib
import logging
import os
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError, how_to_install

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from lrl_keras.saving.runtimes import Runtime

__all__ = ["application", "serve"]
_log = logging.getLogger(__name__)


def serve(
    model: str | os.PathLike[str],
    *,
    name: str = "lrl",
    host: str = "127.0.0.1",
    port: int = 8501,
    threads: int | None = None,
    batch_size: int = 8,
    batch_timeout_ms: float = 2.0,
    queue_size: int = 64,
    max_body_mb: float = 32,
    shutdown_s: float = 30,
    access_log: bool = False,
) -> None:
    """Serve an exported network over HTTP until SIGTERM or SIGINT.

    The logger `lrl_keras.serving` says (INFO) when it is ready, and where. After the signal
    requests that were accepted are answered first; a second SIGINT does not wait for them. To be
    called from the main thread, or nothing stops it.

    Args:
        model: path of what `lrl_keras.export` wrote, as `runtimes.load` takes it.
        name: name of the model in the paths. Defaults to `"lrl"`.
        host: address to listen on. Defaults to this machine alone.
        port: 1 to 65535; 0 takes one that is free. Defaults to `8501`, as TensorFlow Serving.
        threads: processor cores for the network. Defaults to all.
        batch_size, batch_timeout_ms, queue_size, max_body_mb: as for `application`.
        shutdown_s: seconds that accepted requests have after the signal. Defaults to `30`.
        access_log: whether the logger `uvicorn.access` has a line (INFO) for each request.

    Raises:
        InputError: the network cannot be loaded or run, an argument is wrong, the address is
            taken, or a package is missing.
    """
    from lrl_keras.saving import runtimes

    _require("starlette", "uvicorn", "prometheus_client")
    from lrl_keras.serving.server import Server

    if shutdown_s < 0:
        raise InputError(f"shutdown_s must be at least 0. Received: {shutdown_s}")
    # Before the network is loaded, which takes long: a wrong address is the most frequent error.
    with Server(host, port) as server:
        app = application(
            runtimes.load(model, threads),
            name=name,
            batch_size=batch_size,
            batch_timeout_ms=batch_timeout_ms,
            queue_size=queue_size,
            max_body_mb=max_body_mb,
        )

        # Imports TensorFlow, which the first client would have to wait for.
        importlib.import_module("lrl_keras.serving.crops")

        def ready():
            _log.info("serving %s at %s/v1/models/%s:predict", model, server.url, name)

        server.run(app, ready=ready, shutdown_s=shutdown_s, access_log=access_log)


def application(
    runtime: Runtime,
    *,
    name: str = "lrl",
    batch_size: int = 8,
    batch_timeout_ms: float = 2.0,
    queue_size: int = 64,
    max_body_mb: float = 32,
) -> Starlette:
    """Make the ASGI application that `serve` runs.

    Paths and JSON are those of TensorFlow Serving's REST interface. Numbers come back with the
    digits that make the same float32 again. Answers other than predictions are
    `{"error": "one line"}`.

    - `POST /v1/models/NAME[/versions/N]:predict`: signatures `serving_default` and `label_only`,
      which take images, and `serve_bytes`, which takes encoded JPEG or PNG face crops.
    - `GET /v1/models/NAME[/versions/N]`: `AVAILABLE`, or `END` once it is stopping.
    - `GET /v1/models/NAME[/versions/N]/metadata`: signatures with names, types and shapes.
    - `GET /monitoring/prometheus/metrics` and `GET /metrics`: Prometheus.
    - `GET /healthz`: 200, or 503 once it is stopping.

    Args:
        runtime: `runtimes.Runtime`, or an object that can be called like it and has its
            attributes. It is run once with a black image, to see that it works.
        name: name of the model in the paths: letters, digits, `_`, `-` and `.`.
        batch_size: images of any requests that are run at once. Defaults to `8`.
        batch_timeout_ms: how long an image waits for others, milliseconds. Defaults to `2`.
        queue_size: images that wait at most; requests beyond are answered with 503. It is also
            the most that one request may hold. Defaults to `64`.
        max_body_mb: size of a request's body at most, MiB; larger ones are answered with 413.
            Eight such bodies are held at once, beyond that the answer is 503. Defaults to `32`.

    Returns:
        `starlette.applications.Starlette`. `app.state.service.stop()` makes it refuse what comes
        from then on; what came before is answered.

    Raises:
        InputError: an argument is wrong, the network cannot be run, or a package is missing.
    """
    _require("starlette", "prometheus_client")
    from lrl_keras.serving.app import make
    from lrl_keras.serving.limits import Limits
    from lrl_keras.serving.network import Network

    limits = Limits(batch_size, batch_timeout_ms, queue_size, max_body_mb)
    return make(Network.of(runtime, name), limits)


def _require(*packages):
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise InputError(
                f"serving needs {package} ({error}); {how_to_install('serve')}"
            ) from None
