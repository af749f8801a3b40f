"""Where message content ends, as different receivers see it, and the bodies that make them disagree (SMTP smuggling).

A receiver is described by what it takes for a line end. Strict ones know CRLF alone (RFC 5321 section 2.3.8); lenient
ones also end a line, and so the message, at a bare LF or a bare CR.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SMUGGLED = b"MAIL FROM:<smuggler@evil.example>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A way of reading content; `line_ends` are what it takes for the end of a line, longest first."""

    name: str
    line_ends: tuple[bytes, ...]

    def find_end(self, content: bytes | bytearray, start: int = 0) -> tuple[int, int] | None:
        """Return where the content ends and where the next command begins, or None while the end has not come.

        The content includes the line end before the dot. `start` is an index before which the end is known not to be.
        """
        ends = b"|".join(re.escape(end) for end in self.line_ends)
        matched = re.compile(rb"(?:\A|(" + ends + rb"))\.(?:" + ends + rb")").search(content, max(0, start - 5))
        if matched is None:
            return None
        return (0 if matched[1] is None else matched.end(1)), matched.end()

    def unstuff(self, content: bytes) -> bytes:
        """Return the content without the dots that transparency added (RFC 5321 section 4.5.2)."""
        ends = b"|".join(re.escape(end) for end in self.line_ends)
        return re.sub(rb"(\A|" + ends + rb")\.", rb"\1", content)


STRICT = Receiver("strict", (b"\r\n",))
LENIENT_LF = Receiver("lenient-lf", (b"\r\n", b"\n"))
LENIENT_CR = Receiver("lenient-cr", (b"\r\n", b"\r"))
LENIENT = Receiver("lenient", (b"\r\n", b"\n", b"\r"))
RECEIVERS = (STRICT, LENIENT_LF, LENIENT_CR, LENIENT)


def split_messages(stream: bytes, receiver: Receiver) -> tuple[list[bytes], bytes]:
    """Read one message's wire octets as the receiver would: its first content, and what it would take for commands."""
    end = receiver.find_end(stream)
    if end is None:
        return [], stream
    return [receiver.unstuff(stream[: end[0]])], stream[end[1] :]


def smuggling_bodies(longest: int = 6) -> Iterator[bytes]:
    """Yield every body over CR, LF, dot and x up to a length, then each end-of-data look-alike before a transaction."""
    for length in range(longest + 1):
        for octets in itertools.product((b"\r", b"\n", b".", b"x"), repeat=length):
            yield b"".join(octets)
    ends = (b"\r\n", b"\n", b"\r")
    for before, after in itertools.product(ends, repeat=2):
        yield b"x" + before + b"." + after + _SMUGGLED
    for before in ends:
        yield b"x" + before + b".\x00\r\n" + _SMUGGLED
