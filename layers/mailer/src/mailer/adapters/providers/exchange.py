"""Requests to providers' APIs and what comes of them, as values."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from mailer.smtp.outcome import Failure


def _nothing() -> Iterator[bytes]:
    return iter(())


class Call(msgspec.Struct, frozen=True):
    """A request: `pieces` yields the octets of its body, none of them empty and `length` in all.

    `base_url` is https://host[:port]; `ca_certificate`, where there is one, is the only authority trusted.
    """

    method: str
    base_url: str
    target: str
    headers: Mapping[str, str]
    pieces: Callable[[], Iterator[bytes]] = _nothing
    length: int = 0
    ca_certificate: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """A complete answer; `is_early` where it came before the whole request could leave. Names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_early: bool = False

    def json(self) -> object:
        """Return the body as JSON, None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


class NoAnswer(msgspec.Struct, frozen=True):
    """No complete answer came; `has_left` where the whole request may have reached the provider all the same."""

    failure: Failure
    has_left: bool
