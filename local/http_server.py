"""The stack's HTTP servers: werkzeug with one thread per request. Requests and responses are plain values."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import werkzeug
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.serving import WSGIRequestHandler, make_server

from local.exchange import Environ, StartResponse, WsgiApp

MAX_BODY = 10 * 1024 * 1024
_IDLE_SECONDS = 65
_BACKLOG = 128
_TARGET = "local.target"
_HEADERS = "local.headers"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; `target` is the path and the query of the request line, still encoded."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    client_address: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query string, without its question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Response:
    """A response; the server adds its length."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


type Application = Callable[[Request], Response]


class QuietHandler(WSGIRequestHandler):
    """Logs requests at DEBUG, and passes the target and the headers on as they were received."""

    timeout = _IDLE_SECONDS
    # Headers and body are two writes. With Nagle's algorithm the second write would wait for a delayed ACK.
    disable_nagle_algorithm = True

    def make_environ(self) -> Environ:
        """Add the target and the headers as they were received: WSGI would decode, join or drop them."""
        return {**super().make_environ(), _TARGET: self.path, _HEADERS: tuple(self.headers.items())}

    def log(self, type: str, message: str, *args: object) -> None:
        """Log at DEBUG instead of werkzeug's level."""
        _log.debug(message, *args)


class HttpServer:
    """Serves a WSGI application on one port, in a thread, until stopped; raises `OSError` if the port is in use."""

    def __init__(
        self,
        app: WsgiApp,
        *,
        bind_address: str,
        port: int,
        handler: type[WSGIRequestHandler] = QuietHandler,
    ) -> None:
        # werkzeug would end the process if the port is in use.
        with socket.create_server((bind_address, port), backlog=_BACKLOG) as listening:
            self._server = make_server(
                bind_address, port, app, threaded=True, request_handler=handler, fd=listening.fileno()
            )
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port; requests that are still being served end with the process."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def wsgi_app(application: Application, *, too_large: Response) -> WsgiApp:
    """Return the application in WSGI form; a body of more than `MAX_BODY` octets is answered with `too_large`."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        received = werkzeug.Request(environ)
        received.max_content_length = MAX_BODY
        try:
            response = application(_read(received))
        except RequestEntityTooLarge:
            response = too_large
        except HTTPException as error:
            response = Response(error.code or 400)
        return werkzeug.Response(response.body, response.status, response.headers)(environ, start_response)

    return serve


def _read(received: werkzeug.Request) -> Request:
    return Request(
        method=received.method,
        target=received.environ[_TARGET],
        headers=received.environ[_HEADERS],
        body=received.get_data(cache=False),
        client_address=received.remote_addr or "",
        protocol=received.environ["SERVER_PROTOCOL"],
    )
