"""One small document over https: bounded in time and size, redirects never followed."""

import http.client
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3.0


def fetch_document(
    url: str,
    *,
    max_octets: int,
    timeout_seconds: float = TIMEOUT_SECONDS,
    context: ssl.SSLContext | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> str:
    """Return the document as text; raises `OSError` for whatever keeps it from being had whole."""
    host, port, target = _split(url)
    deadline = monotonic() + timeout_seconds
    connection = http.client.HTTPSConnection(
        host, port, timeout=timeout_seconds, context=context or ssl.create_default_context()
    )
    try:
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise OSError("the answer is not 200")
        octets = b""
        while piece := response.read1(max_octets + 1 - len(octets)):
            octets += piece
            if len(octets) > max_octets:
                raise OSError("the document is too large")
            if monotonic() > deadline:
                raise TimeoutError("the document came too slowly")
        return octets.decode()
    except (http.client.HTTPException, UnicodeDecodeError) as error:
        raise OSError("the answer is no document") from error
    finally:
        connection.close()


def _split(url: str) -> tuple[str, int | None, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OSError("not an https address") from None
    if parts.scheme != "https" or not parts.hostname:
        raise OSError("not an https address")
    return parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
