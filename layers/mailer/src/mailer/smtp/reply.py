"""SMTP replies: a strict incremental parser, and their printable form.

A relay's octets are untrusted. A reply is one or more lines with the same code `[2-5][0-9][0-9]`; on every line but the
last a hyphen follows the code (RFC 5321 section 4.2.1). Anything else is a `ProtocolViolation`. The result does not
depend on how the octets are split. An enhanced code (RFC 3463) that contradicts the reply code is ignored.
"""

import functools
import re
from collections.abc import Callable

import msgspec

MAX_LINE = 2048
MAX_REPLY = 32 * 1024
MAX_TEXT = 200
_SHORT = 128
WITHHELD = "(withheld: the reply repeats the credentials)"

_LINE = re.compile(rb"([2-5][0-9][0-9])([ -]|\Z)(.*)\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|\Z)")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class ProtocolViolation(Exception):
    """The relay sent something that is not a reply. Nothing that it sends later on this connection can be trusted."""


class Reply(msgspec.Struct, frozen=True):
    """A complete reply; `text` is at most 200 characters of printable ASCII, safe to store and to show."""

    code: int
    text: str = ""
    enhanced_code: str | None = None

    @property
    def is_positive(self) -> bool:
        """2yz: the relay did it."""
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        """4yz: the relay may do it later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: the relay will not do it."""
        return 500 <= self.code < 600


def make_reply(code: int, text: str, *, repeats_credentials: Callable[[str], bool] = lambda _: False) -> Reply:
    """Build a reply from a relay's code and text; a text that repeats credentials is withheld."""
    if repeats_credentials(text):
        return Reply(code, WITHHELD)
    printable = _UNPRINTABLE.sub("?", text.replace("\r\n", " ").replace("\n", " "))
    enhanced = _ENHANCED.match(printable)
    enhanced_code = enhanced[1] if enhanced and enhanced[1][0] == str(code)[0] else None
    return Reply(code, printable[:MAX_TEXT].strip(), enhanced_code)


@functools.lru_cache(maxsize=512)
def _short_reply(line: bytes) -> tuple[Reply, str] | None:
    # Cached, because most replies of a relay are the same few lines.
    matched = _LINE.match(line)
    if matched is None or matched[2] == b"-" or b"\n" in line or b"\r" in line:
        return None
    text = matched[3].decode("utf-8", "replace")
    return make_reply(int(matched[1]), text), text


class ReplyParser:
    """Turn received octets into replies. After a violation, each call of `feed_into` returns this violation again."""

    def __init__(self, repeats_credentials: Callable[[str], bool] = lambda _: False) -> None:
        self._repeats_credentials = repeats_credentials
        self._buffer = b""
        self._code: bytes | None = None
        self._lines: list[bytes] = []
        self._size = 0
        self._violation: str | None = None

    @property
    def is_between_replies(self) -> bool:
        """Whether no part of an unfinished reply is buffered."""
        return not self._buffer and self._code is None

    def feed_into(self, octets: bytes, replies: list[Reply]) -> ProtocolViolation | None:
        """Append the replies that are complete before the first violation, and return that violation."""
        if self._violation is not None:
            return ProtocolViolation(self._violation)
        *lines, self._buffer = (self._buffer + octets).split(b"\r\n")
        for line in lines:
            if (reason := self._take(line, replies)) is not None:
                return self._violate(reason)
        if len(self._buffer) > MAX_LINE:
            return self._violate("a reply line longer than 2048 octets")
        return None

    def _take(self, line: bytes, replies: list[Reply]) -> str | None:
        if self._code is None and len(line) <= _SHORT and (known := _short_reply(line)) is not None:
            reply, text = known
            replies.append(Reply(reply.code, WITHHELD) if self._repeats_credentials(text) else reply)
            return None
        if len(line) > MAX_LINE:
            return "a reply line longer than 2048 octets"
        matched = _LINE.match(line)
        if matched is None or b"\n" in line or b"\r" in line:
            return "a line that is not a reply"
        code, separator, content = matched.groups()
        if self._code is not None and code != self._code:
            return "a reply of several lines with different codes"
        self._size += len(line)
        if self._size > MAX_REPLY:
            return "a reply longer than 32 KiB"
        self._lines.append(content)
        if separator == b"-":
            self._code = code
            return None
        joined = b"\n".join(self._lines).decode("utf-8", "replace")
        replies.append(make_reply(int(code), joined, repeats_credentials=self._repeats_credentials))
        self._code, self._lines, self._size = None, [], 0
        return None

    def _violate(self, reason: str) -> ProtocolViolation:
        self._violation = reason
        self._buffer = b""
        return ProtocolViolation(reason)
