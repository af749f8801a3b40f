"""A composed message: an envelope and the exact octets that every transport sends."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from mailer.message.address import Address


class Body(Protocol):
    """A part of the octets that is produced on demand, always the same."""

    @property
    def size(self) -> int:
        """Octets that `chunks` will yield in all."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the octets in order, in pieces of at most some hundred kilobytes."""


class Message(msgspec.Struct, frozen=True):
    """A complete message: 7-bit, CRLF line ends only, lines of at most 998 octets, ending in CRLF.

    `recipients` is the envelope, Bcc included, each address once. `message_id` has its angle brackets. `tags` are not
    in the octets; a transport that supports tags gets them.
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
