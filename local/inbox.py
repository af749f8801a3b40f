"""What really arrived: every message that the relay or SES took, as they received it."""

import email
import email.policy
import itertools
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from enum import StrEnum

# Old messages make room; an inbox that is left open for weeks must not fill the memory.
MAX_MESSAGES = 1000


class Receiver(StrEnum):
    """Who took a message, in the API's words for the transports."""

    RELAY = "project-smtp"
    SES = "server-ses"


class Knock(StrEnum):
    """What happened at the receivers' doors, whether or not a message came of it."""

    RELAY_CONNECTION = "relay_connections"
    RELAY_MESSAGE = "relay_messages"
    SES_REQUEST = "ses_requests"
    SES_MESSAGE = "ses_messages"


@dataclass(frozen=True, slots=True)
class Tls:
    """The protection of the line that a message came by; `mode` is `starttls` or `implicit`."""

    mode: str
    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message with its envelope; `user` is who authenticated, `tls` the line, where the receiver is the relay.

    SES chooses the envelope sender itself where the request names none.
    """

    receiver: Receiver
    received_at: datetime
    envelope_sender: str | None
    recipients: tuple[str, ...]
    content: bytes
    user: str | None = None
    tls: Tls | None = None
    client_name: str | None = None

    def parse(self) -> EmailMessage:
        """Return the message as a mail program would read it."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


class Inbox:
    """Arrivals in order, numbered from 1, and the count of every knock; shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._arrivals: deque[tuple[int, Arrival]] = deque(maxlen=MAX_MESSAGES)
        self._knocks: Counter[Knock] = Counter()

    def add(self, arrival: Arrival) -> int:
        """Keep an arrival and return its number."""
        with self._lock:
            number = next(self._numbers)
            self._arrivals.append((number, arrival))
            self._knocks[Knock.RELAY_MESSAGE if arrival.receiver is Receiver.RELAY else Knock.SES_MESSAGE] += 1
            return number

    def knock(self, knock: Knock) -> None:
        """Count a connection or a request."""
        with self._lock:
            self._knocks[knock] += 1

    def arrivals(self) -> list[tuple[int, Arrival]]:
        """Return what is here, oldest first."""
        with self._lock:
            return list(self._arrivals)

    def counts(self) -> Mapping[str, int]:
        """Return how often anything knocked since the start or the last `clear`."""
        with self._lock:
            return {knock.value: self._knocks[knock] for knock in Knock}

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        with self._lock:
            self._arrivals.clear()
            self._knocks.clear()
