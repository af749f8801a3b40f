"""Dot-stuffing (RFC 5321 section 4.5.2) of a stream of octets; the result does not depend on the chunks."""

from collections.abc import Iterable, Iterator


def stuff(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Double each dot at the beginning of a line; lines end in CRLF."""
    # A line end at the end of a chunk is joined to the next chunk, so that CRLF and the dot are always together.
    held = b"\r\n"
    is_first = True
    for chunk in chunks:
        joined = held + chunk
        held = joined[-2:] if joined.endswith(b"\r\n") else joined[-1:] if joined.endswith(b"\r") else b""
        settled = joined[: len(joined) - len(held)]
        if b"\n." in settled:
            settled = settled.replace(b"\r\n.", b"\r\n..")
        if is_first and settled:
            settled = settled[2:]
            is_first = False
        if settled:
            yield settled
    if is_first:
        held = held[2:]
    if held:
        yield held
