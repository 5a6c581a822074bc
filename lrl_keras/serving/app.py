"""The paths of TensorFlow Serving's REST interface, answered by a network."""

import asyncio
import contextlib
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from lrl_keras.serving.batching import Batcher
from lrl_keras.serving.bodies import Bodies
from lrl_keras.serving.metrics import Metrics
from lrl_keras.serving.payloads import Call
from lrl_keras.serving.problems import Busy, Problem
from lrl_keras.system.hardware import cores

_log = logging.getLogger(__name__)
# JSON of 32 MiB becomes lists of up to 800 MB, and holds Python's lock meanwhile.
_PARSERS = 2
# nginx's status for a client that has gone; nobody reads it.
_GONE = 499


def make(network, limits):
    """Make the application.

    Args:
        network: `Network`.
        limits: `Limits`.

    Returns:
        `Starlette`, with `app.state.service`.
    """
    service = Service(network, limits)
    model = f"/v1/models/{network.name}"
    routes = [
        Route("/metrics", service.metrics),
        Route("/monitoring/prometheus/metrics", service.metrics),
        Route("/healthz", service.health),
    ]
    for place in (model, f"{model}/versions/{network.version}"):
        routes += [
            Route(place, service.status),
            Route(f"{place}/metadata", service.metadata),
            Route(f"{place}:predict", service.predict, methods=["POST"]),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        await service.close()

    async def problem(request, error):
        return _error(error.status_code, _reason(error, request, model), error.headers)

    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: problem})
    app.router.redirect_slashes = False
    app.state.service = service
    return app


class Service:
    """Handlers of the paths, and the state that they share."""

    def __init__(self, network, limits):
        self._network = network
        self._limits = limits
        self._metrics = Metrics(limits.batch_size, lambda: self._batcher.waiting)
        self._batcher: Batcher = Batcher(
            network.run,
            limits.batch_size,
            limits.batch_timeout,
            limits.queue_size,
            self._metrics.ran,
        )
        self._bodies = Bodies(limits)
        self._parsers = ThreadPoolExecutor(min(_PARSERS, cores()), "lrl_keras_json")
        self._stopping = False

    def stop(self):
        """Refuse requests to predict from now on, and say so; those accepted are answered."""
        self._stopping = True

    async def close(self):
        self.stop()
        await self._batcher.close()
        self._parsers.shutdown(wait=False, cancel_futures=True)

    async def status(self, request):
        return _json(200, self._network.status("END" if self._stopping else "AVAILABLE"))

    async def metadata(self, request):
        return _json(200, self._network.metadata())

    async def health(self, request):
        if self._stopping:
            return _error(503, "the server is stopping")
        return _json(200, {"status": "ok"})

    async def metrics(self, request):
        text, kind = self._metrics.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind})

    async def predict(self, request):
        start = time.perf_counter()
        call = Call(self._network, self._limits.queue_size)
        try:
            if self._stopping:
                raise Busy("stopping", "the server is stopping")
            self._batcher.check(1)  # Before the body is read and parsed.
            await self._read(request, call)
            answer = await _unless_gone(request, self._answer(call))
            response = Response(answer, media_type="application/json")
        except Problem as error:
            if isinstance(error, Busy):
                self._metrics.rejected(error.cause)
            response = _error(error.status, error.reason, error.headers)
        except ClientDisconnect:
            response = Response(status_code=_GONE)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            # uvicorn's way to say that the time for accepted requests is over.
            response = _error(503, "the server has stopped; ask another")
        except Exception as error:
            _log.exception("a request failed")
            # The error's text may name paths of this machine.
            response = _error(500, f"the network failed ({type(error).__name__}); see the log")
        seconds = time.perf_counter() - start
        self._metrics.answered(call.signature, response.status_code, seconds)
        return response

    async def _read(self, request, call):
        async with self._bodies.of(request) as body:
            await _unless_gone(request, self._in_thread(call.read, body))

    async def _answer(self, call):
        return await self._in_thread(call.answer, await self._batcher(call.images))

    async def _in_thread(self, function, *arguments):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._parsers, function, *arguments)


async def _unless_gone(request, work):
    """Await work on a request whose body has been read, until the client goes.

    Raises:
        ClientDisconnect: it has gone, and the work was cancelled.
    """
    working = asyncio.ensure_future(work)
    going = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, going}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        going.cancel()


async def _gone(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(status, content, headers=None):
    return Response(json.dumps(content), status, headers, "application/json")


def _error(status, reason, headers=None):
    return _json(status, {"error": reason}, headers)


def _reason(error, request, model):
    path = request.url.path[:100]
    if error.status_code == 404:
        return (
            f"nothing is at {path}; there are {model}, {model}/metadata, {model}:predict "
            "and /metrics"
        )
    if error.status_code == 405:
        return f"{path} takes no {request.method[:20]}, but {error.headers['Allow']}"
    return error.detail
