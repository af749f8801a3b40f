"""A small HTTP/1.1 server: one thread a connection, whole requests in, whole responses out."""

import http
import logging
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

MAX_BODY = 10 * 1024 * 1024
# What is read of a body that is too large, so that the client sees the answer rather than a reset.
_MAX_DRAINED = 64 * 1024 * 1024
_IDLE_SECONDS = 65

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; `target` is path and query as they stood on the request line."""

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
        """What stands after the first question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Response:
    """A response; its length is the server's to say."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


type Application = Callable[[Request], Response]


class _TooLarge(Exception):
    """The request's body passes the limit."""


class _Malformed(Exception):
    """The request's framing cannot be understood."""


class HttpServer:
    """Serve an application on one port until stopped; `too_large` answers bodies over the limit."""

    def __init__(self, application: Application, *, bind_address: str, port: int, too_large: Response) -> None:
        class Handler(_Handler):
            pass

        Handler.application = staticmethod(application)
        Handler.too_large = too_large
        self._server = _Server((bind_address, port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port; requests under way end with the process."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        # HTTPServer would ask the resolver for this machine's name, which takes seconds where there is none.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        _log.info("a connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    # Headers and body go out in two writes; without this the second would wait for the client's delayed ACK.
    disable_nagle_algorithm = True
    application: ClassVar[Application]
    too_large: ClassVar[Response]

    def _serve(self) -> None:
        try:
            body = self._body()
        except _TooLarge:
            self.close_connection = True
            self._respond(self.too_large)
            return
        except _Malformed:
            self.close_connection = True
            self._respond(Response(400))
            return
        request = Request(
            method=self.command,
            target=self.path,
            headers=tuple(self.headers.items()),
            body=body,
            client_address=str(self.client_address[0]),
            protocol=self.request_version,
        )
        self._respond(type(self).application(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 -- http.server's names

    def log_message(self, format: str, *args: object) -> None:
        _log.debug(format, *args)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunked_body()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit():
            raise _Malformed
        if int(length) > MAX_BODY:
            self._drain(int(length))
            raise _TooLarge
        return self.rfile.read(int(length))

    def _chunked_body(self) -> bytes:
        body = bytearray()
        total = 0
        while size := self._chunk_size():
            chunk = self.rfile.read(size)
            self.rfile.readline(3)
            total += size
            if total > _MAX_DRAINED:
                raise _TooLarge
            if total <= MAX_BODY:
                body += chunk
        while self.rfile.readline(65537).strip():
            pass
        if total > MAX_BODY:
            raise _TooLarge
        return bytes(body)

    def _chunk_size(self) -> int:
        text = self.rfile.readline(1025).partition(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            raise _Malformed from None
        if size > _MAX_DRAINED:
            raise _TooLarge
        return size

    def _drain(self, length: int) -> None:
        left = min(length, _MAX_DRAINED)
        while left and (read := len(self.rfile.read(min(left, 1 << 20)))):
            left -= read

    def _respond(self, response: Response) -> None:
        self.send_response(response.status, _phrase(response.status))
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
