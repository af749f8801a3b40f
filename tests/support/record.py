"""The record of the hostile relay: for each connection, the client's lines, messages and protocol violations."""

import base64
import binascii
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the client with its line end, and whether TLS protected it."""

    octets: bytes
    tls: bool


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A complete accepted message with its envelope; `wire` is the content as it was sent.

    `content` is `wire` without dot-stuffing. `mail_parameters` is the text after the reverse-path.
    """

    connection: int
    sender: bytes
    recipients: tuple[bytes, ...]
    mail_parameters: bytes
    content: bytes
    wire: bytes
    tls: bool
    authenticated_as: str | None = None


@dataclass(slots=True)
class Connection:
    """The record of one connection; `violations` are breaches of RFC 5321 and its extensions by the client.

    `received` counts the client's octets on the wire, `sent` the octets of replies.
    """

    number: int
    lines: list[Line] = field(default_factory=list)
    messages: list[ReceivedMessage] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    clear: bytes = b""
    received: int = 0
    sent: int = 0
    tls: bool = False
    server_name: str | None = None
    authenticated_as: str | None = None
    ended: bool = False

    @property
    def commands(self) -> list[bytes]:
        """The lines without their line ends."""
        return [line.octets.rstrip(b"\r\n") for line in self.lines]

    @property
    def verbs(self) -> list[bytes]:
        """The first word of every line, in capitals."""
        return [command.split(b" ")[0].upper() for command in self.commands]

    @property
    def auth_attempts(self) -> int:
        """How often the client began AUTH."""
        return self.verbs.count(b"AUTH")

    @property
    def auth_in_clear(self) -> bool:
        """Whether an AUTH command, or anything that decodes to credentials, was sent without TLS."""
        return any(
            not line.tls and (line.octets.upper().startswith(b"AUTH") or _decodes_to_credentials(line.octets))
            for line in self.lines
        )


def _decodes_to_credentials(line: bytes) -> bool:
    try:
        return base64.b64decode(line.strip(), validate=True).count(b"\0") == 2
    except binascii.Error:
        return False
