"""One POST of a form over HTTPS, and the whole answer: for endpoints that a project names.

The connection is dialled to a vetted address and its certificate checked against the host; there are no redirects, no
proxies, no second request on it. HTTP/1.1 is read strictly (RFC 9112), for the answer comes from a stranger.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from mailer.adapters.net.dial import Dialer
from mailer.relay.https_url import HttpsUrl

MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024
_MAX_CHUNK_LINE = 256
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\Z")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
_LENGTH = re.compile(rb"[0-9]{1,6}\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,6})[ \t]*(?:;[\t\x20-\x7e]*)?\Z")
_ONCE = frozenset((b"content-length", b"transfer-encoding"))


class MalformedAnswer(Exception):
    """What came back is no HTTP/1.1 answer of a reasonable size."""


class FormAnswer(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    body: bytes


async def post_form(
    url: HttpsUrl, form: Mapping[str, str], *, dialer: Dialer, context: ssl.SSLContext, deadline: float
) -> FormAnswer:
    """Return the answer, whatever its status.

    Raises `DialFailed`, `MalformedAnswer`, or `OSError`: `TimeoutError` at the deadline (the loop's clock),
    `ssl.SSLError` where there is no verified TLS.
    """
    async with asyncio.timeout_at(deadline):
        now = asyncio.get_running_loop().time()
        connection = await dialer.dial(url.host, url.port, timeout=deadline - now, deadline=deadline)
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=context, server_hostname=url.host, limit=MAX_HEAD
        )
        try:
            writer.write(_request(url, form))
            return await _answer(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise MalformedAnswer from None
        finally:
            # TLS's own farewell would wait for a peer that may never answer.
            writer.transport.abort()


def _request(url: HttpsUrl, form: Mapping[str, str]) -> bytes:
    body = urlencode(form).encode("ascii")
    head = (
        f"POST {url.target} HTTP/1.1\r\n"
        f"Host: {url.authority}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Accept: application/json\r\n"
        "Accept-Encoding: identity\r\n"
        "User-Agent: mailer\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


async def _answer(reader: asyncio.StreamReader) -> FormAnswer:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = _STATUS.match(status_line)
    if status is None or status[1].startswith(b"1"):
        raise MalformedAnswer
    fields = _fields(lines)
    code = int(status[1])
    if code == 204:
        return FormAnswer(code, b"")
    match fields.get(b"transfer-encoding"), fields.get(b"content-length"):
        case None, None:
            return FormAnswer(code, await _until_closed(reader))
        case None, bytes() as length if _LENGTH.match(length) and int(length) <= MAX_BODY:
            return FormAnswer(code, await reader.readexactly(int(length)))
        case bytes() as coding, None if coding.lower() == b"chunked":
            return FormAnswer(code, await _chunks(reader))
        case _:
            raise MalformedAnswer


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        matched = _FIELD.match(line)
        if matched is None:
            raise MalformedAnswer
        name = matched[1].lower()
        if name in _ONCE and name in fields:
            raise MalformedAnswer
        fields[name] = matched[2]
    return fields


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while piece := await reader.read(MAX_BODY + 1 - len(body)):
        body += piece
        if len(body) > MAX_BODY:
            raise MalformedAnswer
    return body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        matched = _CHUNK.match(line.removesuffix(b"\r\n"))
        if matched is None or len(line) > _MAX_CHUNK_LINE:
            raise MalformedAnswer
        size = int(matched[1], 16)
        if size == 0:
            # Nothing that follows is of interest, and the connection is not used again.
            return body
        if len(body) + size > MAX_BODY:
            raise MalformedAnswer
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise MalformedAnswer
