"""Dot-stuffing (RFC 5321 section 4.5.2) of a stream of octets; the result does not depend on the chunks."""

from collections.abc import Iterable, Iterator


def stuff(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Double each dot at the beginning of a line; lines end in CRLF. A chunk without such a dot is not copied."""
    before = b"\r\n"
    for chunk in chunks:
        # Base64 has no dots, and one octet is found much faster than three.
        stuffed = chunk.replace(b"\r\n.", b"\r\n..") if b"." in chunk else chunk
        if before == b"\r\n" and chunk[:1] == b".":
            stuffed = b"." + stuffed
        elif before[-1:] == b"\r" and chunk[:2] == b"\n.":
            stuffed = b"\n." + stuffed[1:]
        before = (before + chunk[-2:])[-2:]
        if stuffed:
            yield stuffed
