"""Fetching a small document: the failures, and that redirects are not followed."""

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest
import trustme
from mailer.adapters.net.https_document import fetch_document

DOCUMENT = '{"keys": []}'
AUTHORITY = trustme.CA()


class _Server(ThreadingHTTPServer):
    paths: list[str]
    over: threading.Event

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: the tests' clients break connections on purpose."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        server.paths.append(self.path)
        answers: dict[str, Callable[[], None]] = {
            "/keys": lambda: self._answer(200, DOCUMENT.encode()),
            "/keys?a=b": lambda: self._answer(200, DOCUMENT.encode()),
            "/moved": lambda: self._answer(302, b"", Location="/keys"),
            "/missing": lambda: self._answer(404, b"{}"),
            "/large": lambda: self._answer(200, b"x" * 65_537),
            "/binary": lambda: self._answer(200, b"\xff\xfe"),
            "/silent": lambda: cast("None", server.over.wait()),
            "/garbage": lambda: cast("None", self.wfile.write(b"garbage\r\n\r\n")),
        }
        answers[self.path]()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.paths, server.over = [], threading.Event()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


def fetch(server: _Server, path: str, *, host: str = "localhost", timeout_seconds: float = 5.0) -> str:
    url = f"https://{host}:{server.server_port}{path}"
    authority = AUTHORITY.cert_pem.bytes().decode()
    return fetch_document(url, timeout_seconds=timeout_seconds, ca_certificate=authority)


@pytest.mark.parametrize("path", ["/keys", "/keys?a=b"])
def test_a_document_is_returned_as_text(server: _Server, path: str) -> None:
    assert fetch(server, path) == DOCUMENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/missing", "not 200"), ("/large", "too large"), ("/binary", "no document"), ("/garbage", "no document")],
)
def test_anything_but_a_small_document_is_an_error(server: _Server, path: str, reason: str) -> None:
    with pytest.raises(OSError, match=reason):
        fetch(server, path)


def test_a_redirect_is_not_followed(server: _Server) -> None:
    server.paths.clear()
    with pytest.raises(OSError, match="not 200"):
        fetch(server, "/moved")

    assert server.paths == ["/moved"]


def test_silence_is_an_error_after_the_timeout(server: _Server) -> None:
    with pytest.raises(TimeoutError):
        fetch(server, "/silent", timeout_seconds=0.2)


def test_another_host_s_certificate_is_an_error(server: _Server) -> None:
    server.paths.clear()
    with pytest.raises(OSError, match="certificate-host-mismatch"):
        fetch(server, "/keys", host="127.0.0.1")

    assert server.paths == []


@pytest.mark.parametrize(
    "url", ["http://localhost/keys", "file:///etc/passwd", "https:///keys", "keys", "https://localhost:99999/"]
)
def test_only_an_https_url_is_requested(url: str) -> None:
    with pytest.raises(OSError, match="not an https address"):
        fetch_document(url)
