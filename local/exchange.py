"""A complete request to moto and its answer."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

type Environ = dict[str, Any]
type StartResponse = Callable[..., Any]
type WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request's body, whether it succeeded, and the answer's octets."""

    request: bytes
    is_success: bool
    answer: tuple[bytes, ...]


def read_body(environ: Environ) -> bytes:
    """Return the request's body; the application can read it again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def observe(app: WsgiApp, environ: Environ, start_response: StartResponse) -> Exchange:
    """Run an application to its end and return its whole answer."""
    body = read_body(environ)
    statuses: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
        statuses.append(status)
        return start_response(status, headers, *rest)

    answer = tuple(app(environ, start))
    return Exchange(body, statuses[-1].startswith("200"), answer)
