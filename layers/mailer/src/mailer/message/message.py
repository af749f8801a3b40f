"""A composed message: an envelope and the exact octets that every transport sends."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from mailer.message.address import Address


class Body(Protocol):
    """A part of a message whose octets are produced on demand, and are always the same."""

    @property
    def size(self) -> int:
        """The number of octets that `chunks` yields in total."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the octets in order, in pieces of at most some hundred kilobytes."""


class Message(msgspec.Struct, frozen=True):
    """A complete message: 7-bit, CRLF line ends only, lines of at most 998 octets, ending in CRLF.

    `recipients` are those of the envelope, Bcc included, each address once. `message_id` includes the angle brackets.
    `tags` are not in the octets; they are given to transports that support tags.
    """

    message_id: str
    envelope_sender: Address
    recipients: tuple[Address, ...]
    segments: tuple[bytes | Body, ...]
    size: int
    tags: tuple[tuple[str, str], ...] = ()

    def chunks(self) -> Iterator[bytes]:
        """Yield the octets in order; large attachments are encoded on demand."""
        for segment in self.segments:
            if isinstance(segment, bytes):
                yield segment
            else:
                yield from segment.chunks()

    def as_bytes(self) -> bytes:
        """Return all octets at once, for a transport that cannot stream."""
        return b"".join(self.chunks())
