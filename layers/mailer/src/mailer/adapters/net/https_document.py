"""A small document over HTTPS, for callers without an event loop."""

import asyncio
from urllib.parse import urlsplit

from mailer.adapters.net.dial import Dialer
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.net.https_client import Answer, Call, HttpsClient, NoAnswer
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.smtp.outcome import Cause

TIMEOUT_SECONDS = 3.0
# The operator chose the URL, so any port and the operator's own network are allowed.
_ANY_DESTINATION = RelayPolicy(ports=((1, 65535),), networks=(parse_network("0.0.0.0/0"), parse_network("::/0")))


def fetch_document(
    url: str,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    ca_certificate: str | None = None,
) -> str:
    """Return the document from the operator's URL; `ca_certificate` (PEM) replaces the system's authorities.

    Raises `OSError`, and after a timeout its subclass `TimeoutError`. Redirects are not followed.
    """
    try:
        parts = urlsplit(url)
        is_https = url.isascii() and parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        is_https = False
    if not is_https:
        raise OSError("not an https address")
    call = Call(
        "GET",
        f"https://{parts.netloc.rpartition('@')[2]}",
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        {"Accept-Encoding": "identity", "Connection": "close"},
        ca_certificate=ca_certificate,
    )
    match asyncio.run(_make(call, timeout_seconds)):
        case Answer(200, _, body):
            try:
                return body.decode()
            except UnicodeDecodeError as error:
                raise OSError("the answer is no document: it is not UTF-8") from error
        case Answer():
            raise OSError("the answer is not 200")
        case NoAnswer(failure) if failure.cause is Cause.TIMEOUT:
            raise TimeoutError("the document came too slowly")
        case NoAnswer(failure) if failure.cause is Cause.PROTOCOL_VIOLATION:
            raise OSError("the answer is no document, or it is too large")
        case NoAnswer(failure):
            raise OSError(failure.cause.value)


async def _make(call: Call, timeout_seconds: float) -> Answer | NoAnswer:
    client = HttpsClient(Dialer(_ANY_DESTINATION), clocks=Clocks(), answer_seconds=0.0, accepts_unframed=True)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    try:
        return await client.make(call, owner=None, deadline=deadline)
    finally:
        await client.close()
