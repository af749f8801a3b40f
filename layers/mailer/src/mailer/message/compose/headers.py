"""Header fields as octets: RFC 5322 with RFC 2047 encoded-words. Lines are folded only at spaces.

There are three kinds of values. Mailboxes become an address list. Text that is printable ASCII without `=?` is written
as it is; other text is written as base64 encoded-words. Octets are protocol text (Date, Message-ID, References...):
they are folded at spaces and never encoded.
"""

import re
from binascii import b2a_base64
from collections.abc import Iterable, Sequence

from mailer.message.address import Mailbox

type FieldValue = tuple[Mailbox, ...] | str | bytes

UNDISCLOSED = b"undisclosed-recipients:;"

# RFC 5322 recommends 78 characters; RFC 2047 allows 76 for a line with encoded-words.
_LINE = 76
# A text of this length fits a line of 998 octets after the longest field name, even without a space to fold at.
_MAX_PLAIN_TEXT = 900
_MAX_QUOTED_NAME = 60
# 39 octets become a word of 64 characters, so with each of our own field names a line has at most 76 characters.
_WORD_OCTETS = 39
_PIECE = re.compile(r" +[^ ]+")


def longest_piece(text: str) -> int:
    """Return the length of the longest part of a text that cannot be folded: a word with the spaces before it."""
    return max(map(len, _PIECE.findall(" " + text)), default=0)


def render_fields(fields: Iterable[tuple[str, FieldValue]]) -> str:
    """Return the fields in their order, each ending in CRLF."""
    lines: list[str] = []
    for name, value in fields:
        if isinstance(value, bytes):
            lines.append(_plain_field(name, value.decode("ascii")))
        elif not isinstance(value, str):
            lines.append(_fold(name, _mailboxes(value)))
        elif _is_plain_text(value):
            lines.append(_plain_field(name, value))
        else:
            lines.append(_fold(name, _encoded_words(value)))
    return "".join(lines)


def _plain_field(name: str, text: str) -> str:
    if len(name) + len(text) <= _LINE - 2:
        return f"{name}: {text}\r\n"
    return _fold(name, _PIECE.findall(" " + text))


def _fold(name: str, pieces: Sequence[str]) -> str:
    """Join the pieces; a line may break before the space that begins each piece."""
    line = f"{name}:{''.join(pieces)}\r\n"
    if len(line) <= _LINE + 2:
        return line
    lines: list[str] = []
    line = f"{name}:"
    has_value = False
    for piece in pieces:
        # A first line without a value is legal, but some readers dislike it. It is used only before an encoded-word,
        # because RFC 2047 limits the length of such a line.
        if len(line) + len(piece) > _LINE and (has_value or piece.startswith(" =?")):
            lines.append(line)
            line = piece
        else:
            line += piece
        has_value = True
    return "\r\n".join([*lines, line, ""])


def _mailboxes(mailboxes: tuple[Mailbox, ...]) -> list[str]:
    pieces: list[str] = []
    for mailbox in mailboxes:
        if mailbox.display_name:
            pieces += _phrase(mailbox.display_name)
            pieces.append(f" <{mailbox.address}>,")
        else:
            pieces.append(f" {mailbox.address},")
    pieces[-1] = pieces[-1][:-1]
    return pieces


def _phrase(name: str) -> list[str]:
    if len(name) <= _MAX_QUOTED_NAME and _is_plain(name):
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f' "{quoted}"']
    return _encoded_words(name)


def _is_plain_text(text: str) -> bool:
    # A mail program would remove spaces at the beginning and the end.
    return len(text) <= _MAX_PLAIN_TEXT and _is_plain(text) and text.strip(" ") == text


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "=?" not in text


def _encoded_words(text: str) -> list[str]:
    octets = text.encode()
    words: list[str] = []
    start = 0
    while start < len(octets):
        end = min(start + _WORD_OCTETS, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f" =?utf-8?b?{b2a_base64(octets[start:end], newline=False).decode()}?=")
        start = end
    return words
