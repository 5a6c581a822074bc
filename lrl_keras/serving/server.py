"""uvicorn on a socket of its own, stopped by signals with exit code 0."""

import logging
import signal
import socket

import uvicorn

from lrl_keras.errors import InputError

_BACKLOG = 2048
# Far more than a queue holds; each takes a file descriptor.
_CONNECTIONS = 1000


class Server:
    """An address, and the application behind it while it runs.

    Args:
        host: name or address of this machine.
        port: 0 to 65535; 0 takes one that is free.

    Attributes:
        url: `http://HOST:PORT`.

    Raises:
        InputError: naming the address that cannot be listened on.
    """

    def __init__(self, host, port):
        if not 0 <= port <= 65535:
            raise InputError(f"port must lie in 0..65535. Received: {port}")
        self._place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self._socket = _bound(host, port)
        except (OSError, UnicodeError) as error:
            raise self._taken(error) from None
        host = f"[{host}]" if ":" in host else host
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._socket.close()

    def run(self, app, *, ready=None, shutdown_s=30, access_log=False):
        """Serve until `stop`, or in the main thread SIGTERM or SIGINT.

        Args:
            app: application of `lrl_keras.serving.application`.
            ready: called once requests are accepted.
            shutdown_s: seconds that accepted requests have after that.
            access_log: whether the logger `uvicorn.access` has a line (INFO) for each request.

        Raises:
            InputError: another server listens there by now.
        """
        try:
            self._socket.listen(_BACKLOG)
        except OSError as error:
            raise self._taken(error) from None
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=access_log,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=shutdown_s,
        )
        if access_log:
            logging.getLogger("uvicorn.access").setLevel(logging.INFO)
        self._uvicorn = _Uvicorn(config, ready, app.state.service.stop)
        self._uvicorn.run([self._socket])

    def stop(self):
        """End `run` from another thread, once accepted requests are answered."""
        self._uvicorn.handle_exit(signal.SIGTERM, None)

    def _taken(self, error):
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return InputError(
            f"{self._place}: cannot be listened on ({reason}); stop what listens there, or give "
            "another host or port"
        )


class _Uvicorn(uvicorn.Server):
    def __init__(self, config, ready, stopping):
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self._ready is not None:
            self._ready()

    def handle_exit(self, sig, frame):
        # uvicorn's own would raise the signal again at the end, and it would be the exit code.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        self._stopping()


def _bound(host, port):
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # `localhost` is both; more clients reach it over IPv4.
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
