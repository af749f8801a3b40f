"""The MIME entity below the header: texts, attachments and the multiparts around them.

The line end after an entity's content belongs to the delimiter, not to the content (RFC 2046). Boundaries begin with
`=_`, which neither quoted-printable nor base64 can produce, so only unencoded content can contain a boundary.
"""

import struct
from binascii import b2a_base64, b2a_qp
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from mailer.message.draft import Attachment, Draft
from mailer.message.message import Body

# RFC 5322 allows 998, but Sendmail and Haraka break lines of 991 to 998 octets, which breaks the DKIM signature.
_MAX_TEXT_LINE = 900
_MAX_BOUNDARY_DRAWS = 16

_LINE_INPUT = 57
_LINE_OUTPUT = 76
_LINES_AT_ONCE = 64
# One chunk is 312 KiB of encoded lines: large enough to be encoded fast, and small enough for the memory.
_CHUNK_INPUT = _LINE_INPUT * _LINES_AT_ONCE * 64
_LINES = struct.Struct(f"{_LINE_OUTPUT}s" * _LINES_AT_ONCE)

_PRINTABLE = bytes(range(0x20, 0x7F))
_SEVEN_BIT = _PRINTABLE + b"\t\n"
_QP_LITERAL = _SEVEN_BIT.replace(b"=", b"")
_ATTRIBUTE_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`|~")


class Base64Body(msgspec.Struct, frozen=True):
    """Content as base64 lines of 76 characters. Each piece is encoded when it is read."""

    content: bytes

    @property
    def size(self) -> int:
        """The size of the encoded form, calculated without encoding."""
        encoded = -(-len(self.content) // 3) * 4
        line_ends = max(0, -(-encoded // _LINE_OUTPUT) - 1)
        return encoded + 2 * line_ends

    def chunks(self) -> Iterator[bytes]:
        """Yield the lines in pieces of at most 312 KiB."""
        view = memoryview(self.content)
        for start in range(0, len(view), _CHUNK_INPUT):
            lines = _base64_lines(view[start : start + _CHUNK_INPUT])
            yield b"\r\n" + lines if start else lines


class Entity(NamedTuple):
    """A content and its header fields."""

    fields: str
    segments: list[bytes | Body]
    boundaries: tuple[tuple[str, int], ...] = ()


class Collision(Exception):
    """Every boundary occurred in the content: the token source is broken."""


def build_entity(draft: Draft, boundary_token: Callable[[], str]) -> Entity:
    """Return the draft's content as one MIME entity.

    Text and HTML are alternatives. Files that the HTML shows by `cid:` are related parts; all other files are mixed.
    """
    shown = shown_content_ids(draft)
    inline = [_file_entity(file, "inline") for file in draft.attachments if file.content_id in shown]
    attached = [_file_entity(file, "attachment") for file in draft.attachments if file.content_id not in shown]
    texts = [_text_entity("plain", draft.text or "")] if draft.text or not draft.html else []
    if draft.html:
        texts.append(_text_entity("html", draft.html))
    leaves = [*texts, *inline, *attached]
    token = _free_token(leaves, boundary_token) if len(leaves) > 1 else ""

    if inline:
        texts[-1] = _multipart("related", token, [texts[-1], *inline])
    body = _multipart("alternative", token, texts) if len(texts) > 1 else texts[0]
    return _multipart("mixed", token, [body, *attached]) if attached else body


def shown_content_ids(draft: Draft) -> frozenset[str]:
    """Return the content ids that the HTML shows. All other files are sent as visible attachments."""
    content_ids = [file.content_id for file in draft.attachments if file.content_id]
    if not content_ids or not draft.html:
        return frozenset()
    html = draft.html.lower()
    return frozenset(
        content_id
        for content_id in content_ids
        if f"cid:{content_id.lower()}" in html or f"cid:{content_id.lower().replace('@', '%40')}" in html
    )


def _free_token(leaves: list[Entity], boundary_token: Callable[[], str]) -> str:
    for _ in range(_MAX_BOUNDARY_DRAWS):
        token = boundary_token()
        if not any(_contains(leaf, token) for leaf in leaves):
            return token
    raise Collision


def _contains(leaf: Entity, token: str) -> bool:
    octets = token.encode()
    return token in leaf.fields or any(isinstance(part, bytes) and octets in part for part in leaf.segments)


def _multipart(subtype: str, token: str, parts: list[Entity]) -> Entity:
    boundary = f"=_{subtype}_{token}"
    parameters = '; type="text/html"' if subtype == "related" else ""
    segments: list[bytes | Body] = []
    delimiter = f"--{boundary}\r\n"
    for part in parts:
        segments.append(f"{delimiter}{part.fields}\r\n".encode("ascii"))
        segments += part.segments
        delimiter = f"\r\n--{boundary}\r\n"
    segments.append(f"\r\n--{boundary}--".encode("ascii"))
    nested = chain.from_iterable(part.boundaries for part in parts)
    return Entity(
        f'Content-Type: multipart/{subtype}{parameters};\r\n boundary="{boundary}"\r\n',
        segments,
        ((boundary, len(parts)), *nested),
    )


def _text_entity(subtype: str, text: str) -> Entity:
    encoding, content = encode_text(text)
    fields = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return Entity(fields, [content])


def encode_text(text: str) -> tuple[str, bytes]:
    """Return the text's transfer encoding and its octets. Every CRLF, CR and LF becomes a line end CRLF."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    octets = text.encode()
    if not octets.translate(None, _SEVEN_BIT) and max(map(len, octets.split(b"\n"))) <= _MAX_TEXT_LINE:
        return "7bit", octets.replace(b"\n", b"\r\n")
    # Quoted-printable adds two octets for each escaped octet; base64 adds 37 % to any text.
    escaped = len(octets.translate(None, _QP_LITERAL))
    if 100 * 2 * escaped > 37 * len(octets):
        return "base64", _base64_lines(memoryview(octets.replace(b"\n", b"\r\n")))
    # b2a_qp ends soft line breaks in CRLF only if the text contains a CRLF. So the input has LF only, and afterwards
    # every LF is replaced.
    return "quoted-printable", b2a_qp(octets, istext=True).replace(b"\n", b"\r\n")


def _file_entity(attachment: Attachment, disposition: str) -> Entity:
    content_id = f"Content-ID: <{attachment.content_id}>\r\n" if attachment.content_id is not None else ""
    return Entity(
        f"Content-Type: {attachment.content_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {disposition};\r\n {_filename(attachment.filename)}\r\n"
        f"{content_id}",
        [Base64Body(attachment.content)],
    )


def _filename(name: str) -> str:
    # Some mail programs decode an encoded-word inside a quoted-string, and others stop at an escaped quote. Names with
    # such characters are written in the form of RFC 2231.
    if name.isascii() and name.isprintable() and not any(mark in name for mark in ('"', "\\", "=?")):
        return f'filename="{name}"'
    escaped = "".join(chr(octet) if octet in _ATTRIBUTE_CHARACTERS else f"%{octet:02X}" for octet in name.encode())
    return f"filename*=utf-8''{escaped}"


def _base64_lines(content: memoryview) -> bytes:
    encoded = b2a_base64(content, newline=False)
    whole = len(encoded) - len(encoded) % _LINES.size
    lines = list(chain.from_iterable(_LINES.iter_unpack(memoryview(encoded)[:whole])))
    lines += [encoded[start : start + _LINE_OUTPUT] for start in range(whole, len(encoded), _LINE_OUTPUT)]
    return b"\r\n".join(lines)
