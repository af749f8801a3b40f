"""Verify every composed message: read the octets back and compare them with the arguments.

This code shares nothing with the code that writes, and accepts only the few forms that a message may have. So a mistake
in either of them is found before the message is sent. Streamed attachments are skipped: base64 cannot contain a wrong
line end, a non-ASCII octet or a boundary.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Iterable, Sequence

from mailer.message.address import Mailbox
from mailer.message.compose.headers import FieldValue

# The quantifiers are possessive, so that a message of megabytes is matched without storing states for backtracking.
_OCTETS = re.compile(rb"(?:[^\r\n\0\x80-\xff]{0,998}+\r\n)++\Z")
_BLANK_LINE = re.compile(rb"(?:\A|\n)[ \t]*(?:\r|\Z)")
_WORD = re.compile(rb"=\?utf-8\?b\?([A-Za-z0-9+/]+={0,2})\?=\Z")
_MAILBOX = re.compile(
    rb'(?:"(?P<quoted>(?:[^"\\]|\\["\\])*)" <|(?P<words>=\?[^ <>",]+\?=(?: =\?[^ <>",]+\?=)*) <|(?P<bare>))'
    rb"(?P<address>[^ <>\",:;()\\]+)(?P<close>>?)(?:, |\Z)"
)
_CONTENT_FIELDS = re.compile(
    rb"Content-Type: (?:"
    rb'multipart/(?:mixed|alternative|related; type="text/html"); boundary="[!-~]{1,70}"'
    rb"|text/(?:plain|html); charset=utf-8\r\nContent-Transfer-Encoding: (?:7bit|quoted-printable|base64)"
    rb"|(?!multipart/|message/)[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+\r\nContent-Transfer-Encoding: base64\r\n"
    rb"Content-Disposition: (?:attachment|inline); "
    rb"filename(?:=\"[ !#-\[\]-~]*\"|\*=utf-8''[!-~]+)(?:\r\nContent-ID: <[!-;=?-~]+>)?"
    rb")\Z"
)


class CompositionFault(Exception):
    """The composed message differs from its arguments. This is a bug, and the message is not sent."""


def verify(frame: bytes, fields: Sequence[tuple[str, FieldValue]], boundaries: Iterable[tuple[str, int]]) -> None:
    """Raise `CompositionFault` unless the octets are valid and have exactly these fields and parts.

    `frame` is the message without streamed contents; `boundaries` are pairs of a boundary and its number of parts.
    """
    if not _OCTETS.match(frame):
        _fault("a bare CR or LF, an octet outside 7-bit text or a line of more than 998 octets")
    end = frame.find(b"\r\n\r\n")
    if end < 0:
        _fault("no end of the header")
    _check_header(frame[:end], fields)
    if boundaries:
        _check_parts(frame[end + 2 :], boundaries)


def _check_header(header: bytes, fields: Sequence[tuple[str, FieldValue]]) -> None:
    if _BLANK_LINE.search(header):
        _fault("a blank line in the header")
    lines = header.replace(b"\r\n ", b" ").split(b"\r\n")
    expected = len(fields)
    for line, (name, value) in zip(lines, fields, strict=False):
        found, separator, text = line.partition(b":")
        if not separator or found != name.encode() or text[:1] not in (b" ", b""):
            _fault(f"another field where {name} belongs")
        text = text[1:]
        if isinstance(value, bytes):
            same = text == value
        elif isinstance(value, str):
            same = _decoded(text) == value
        else:
            same = _is_list_of(text, value)
        if not same:
            _fault(f"another value in {name}")
    if lines[expected : expected + 1] != [b"MIME-Version: 1.0"]:
        _fault("fields that are not in the arguments")
    if not _CONTENT_FIELDS.match(b"\r\n".join(lines[expected + 1 :])):
        _fault("content fields of another form")


def _is_list_of(text: bytes, mailboxes: tuple[Mailbox, ...]) -> bool:
    position = 0
    for mailbox in mailboxes:
        found = _MAILBOX.match(text, position)
        if found is None:
            return False
        quoted, words, bare, address, close = found.group("quoted", "words", "bare", "address", "close")
        if (close == b"") is (bare is None) or address.decode() != str(mailbox.address):
            return False
        name = None
        if quoted is not None:
            if b"=?" in quoted:
                return False
            name = re.sub(rb"\\(.)", rb"\1", quoted).decode()
        elif words is not None:
            name = _decoded(words)
        if name != (mailbox.display_name or None):
            return False
        position = found.end()
    return position == len(text) and not text.endswith(b", ")


def _decoded(text: bytes) -> str | None:
    """Return the text that a mail program shows; None if the text is partly encoded or malformed."""
    if b"=?" not in text:
        return text.decode()
    decoded: list[str] = []
    for word in text.split(b" "):
        matched = _WORD.match(word)
        if matched is None or len(word) > 75:
            return None
        try:
            decoded.append(a2b_base64(matched[1], strict_mode=True).decode())
        except (Error, UnicodeDecodeError):
            return None
    return "".join(decoded)


def _check_parts(body: bytes, boundaries: Iterable[tuple[str, int]]) -> None:
    for boundary, parts in boundaries:
        delimiter = f"\r\n--{boundary}".encode()
        # A mail program reads any line that begins with the delimiter as a delimiter.
        if body.count(delimiter) != parts + 1 or body.count(delimiter + b"--\r\n") != 1:
            _fault("another number of parts")
        for part in body.split(delimiter + b"\r\n")[1:]:
            fields = part[: part.find(b"\r\n\r\n")].replace(b"\r\n ", b" ")
            if not _CONTENT_FIELDS.match(fields):
                _fault("part fields of another form")


def _fault(what: str) -> None:
    msg = f"composition produced {what}"
    raise CompositionFault(msg)
