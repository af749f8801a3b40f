"""HTTPS requests and their answers, as values."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from mailer.smtp.outcome import Failure


def _nothing() -> Iterator[bytes]:
    return iter(())


class Call(msgspec.Struct, frozen=True):
    """A request; `pieces` yields its body in non-empty pieces of `length` octets in all.

    `base_url` is https://host[:port]; a `ca_certificate` (PEM) replaces the system's authorities.
    """

    method: str
    base_url: str
    target: str
    headers: Mapping[str, str]
    pieces: Callable[[], Iterator[bytes]] = _nothing
    length: int = 0
    ca_certificate: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """A complete answer, with header names in lower case; `is_early`: it came before the whole request had left."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_early: bool = False

    def json(self) -> object:
        """Return the body as JSON, or None where it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


class NoAnswer(msgspec.Struct, frozen=True):
    """No complete answer came; `has_left` tells whether the whole request may have reached the server."""

    failure: Failure
    has_left: bool
