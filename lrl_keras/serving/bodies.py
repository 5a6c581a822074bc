"""Request bodies, read within limits of size, memory and time."""

import asyncio
import contextlib

from lrl_keras.serving.problems import Busy, Problem

# With those that curl sends by itself; TensorFlow Serving does not look at the type at all.
_TYPES = ("", "application/json", "application/x-www-form-urlencoded", "text/plain")
# For a body: even a face a second is slow, and a client that sends nothing holds memory.
_SECONDS = 60
# Time that a client that sends too much is still listened to, so that it reads why.
_UNHEARD_SECONDS = 5


class Bodies:
    """The bodies that are held at present.

    Args:
        limits: `Limits`, of which `body` and `bodies` are bytes of one and of all.
    """

    def __init__(self, limits):
        self._limits = limits
        self._held = 0

    @contextlib.asynccontextmanager
    async def of(self, request):
        """Read a body and hold it, as bytes, for as long as the context lasts.

        Args:
            request: `starlette.requests.Request`.

        Raises:
            Problem: 408, too slow; 413, too large; 415, of a type that is not read.
            Busy: all bodies together are too large.
            starlette.requests.ClientDisconnect: the client has gone.
        """
        _check_type(request.headers)
        too_large = int(request.headers.get("content-length", "0")) > self._limits.body
        if too_large and "expect" in request.headers:
            raise self._too_large()  # Before it is sent, as the client asks for.
        body, chunks = bytearray(), request.stream()
        try:
            try:
                if too_large:
                    raise self._too_large()
                await asyncio.wait_for(self._fill(body, chunks), _SECONDS)
            except asyncio.TimeoutError:
                raise Problem(408, f"the body took more than {_SECONDS} seconds") from None
            except Problem:
                self._held -= len(body)
                body.clear()
                if _closes(request):
                    await _drop(chunks)
                raise
            yield body
        finally:
            self._held -= len(body)

    async def _fill(self, body, chunks):
        async for chunk in chunks:
            if len(body) + len(chunk) > self._limits.body:
                raise self._too_large()
            if self._held + len(chunk) > self._limits.bodies:
                raise Busy("memory", "too many large requests at once")
            self._held += len(chunk)
            body += chunk

    def _too_large(self):
        return Problem(413, f"the body has more than {self._limits.max_body_mb:g} MiB")


def _closes(request):
    """Return whether the connection ends with the answer; else the server reads on by itself."""
    connection = request.headers.get("connection", "").lower()
    return request.scope["http_version"] == "1.0" or "close" in connection


async def _drop(chunks):
    """Read what is still sent: a connection that is closed on it loses the answer."""

    async def read():
        async for _ in chunks:
            pass

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read(), _UNHEARD_SECONDS)


def _check_type(headers):
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise Problem(415, f"content-encoding {encoding[:50]!a} is not read; send plain JSON")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES and not kind.endswith("+json"):
        raise Problem(
            415, f"content-type {kind[:50]!a} is not read; send application/json, with files "
            'as {"b64": "..."}',
        )  # fmt: skip
