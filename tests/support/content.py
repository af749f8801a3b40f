"""Where message content ends for different receivers, and the bodies on which they disagree (SMTP smuggling).

A receiver is described by the line ends that it accepts. A strict receiver accepts only CRLF (RFC 5321 section 2.3.8).
A lenient receiver also ends a line, and so the message, at a bare LF or a bare CR.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SMUGGLED = b"MAIL FROM:<smuggler@evil.example>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A way of reading content; `line_ends` are the accepted line ends, longest first."""

    name: str
    line_ends: tuple[bytes, ...]

    def find_end(self, content: bytes | bytearray, start: int = 0) -> tuple[int, int] | None:
        """Return the index of the content's end and of the next command; None if the end has not arrived yet.

        The content includes the line end before the dot. The search begins at index `start`.
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
    """Split wire octets as the receiver does: into the first content, and the octets that are read as commands."""
    end = receiver.find_end(stream)
    if end is None:
        return [], stream
    return [receiver.unstuff(stream[: end[0]])], stream[end[1] :]


def smuggling_bodies(longest: int = 6) -> Iterator[bytes]:
    """Yield every body of CR, LF, dot and x up to a length. Then yield each false end of data before a transaction."""
    for length in range(longest + 1):
        for octets in itertools.product((b"\r", b"\n", b".", b"x"), repeat=length):
            yield b"".join(octets)
    ends = (b"\r\n", b"\n", b"\r")
    for before, after in itertools.product(ends, repeat=2):
        yield b"x" + before + b"." + after + _SMUGGLED
    for before in ends:
        yield b"x" + before + b".\x00\r\n" + _SMUGGLED
