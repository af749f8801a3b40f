"""An HTTP service that gives a test's answers and records the requests."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Asked:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body's value."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a JSON value or raw octets. None closes the connection without an answer."""

    status: int
    body: object | bytes | None = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FakeApi:
    """The answers by method and path, in order; the last answer of a path is repeated."""

    url: str
    replies: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answers(self, method: str, path: str, *replies: Reply) -> None:
        """Set the answers of a path of the project `acme`."""
        self.replies[method, f"/v1/projects/acme/{path}"] = list(replies)

    def take(self, asked: Asked) -> Reply:
        """Record the request and return its answer."""
        self.asked.append(asked)
        waiting = self.replies.get((asked.method, asked.path))
        if not waiting:
            return Reply(404, {"code": "not-found", "detail": "Nothing is here.", "status": 404})
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextlib.contextmanager
def running() -> Iterator[FakeApi]:
    """Serve on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = api.take(Asked(self.command, self.path, headers, self.rfile.read(length)))
            if reply.body is None:
                return
            octets = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 -- the base class calls these names

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = FakeApi(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
