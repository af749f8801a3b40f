"""The messages that the relay and SES accepted, unchanged."""

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

# The oldest messages are dropped: an inbox that runs for weeks must not fill the memory.
MAX_MESSAGES = 1000


class Receiver(StrEnum):
    """The receiver of a message, named like the API's transports."""

    RELAY = "project-smtp"
    SES = "server-ses"


class Contact(StrEnum):
    """The connections and requests that are counted, with or without a message."""

    RELAY_CONNECTION = "relay_connections"
    RELAY_MESSAGE = "relay_messages"
    SES_REQUEST = "ses_requests"
    SES_MESSAGE = "ses_messages"


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS of a connection; `mode` is `starttls` or `implicit`."""

    mode: str
    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message with its envelope; `user` and `tls` are set if the relay received it.

    `sender` is None if a request to SES has no envelope sender, because SES chooses it.
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
    """Arrivals in order, numbered from 1, and counts of contacts; shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._arrivals: deque[tuple[int, Arrival]] = deque(maxlen=MAX_MESSAGES)
        self._contacts: Counter[Contact] = Counter()

    def add(self, arrival: Arrival) -> int:
        """Keep an arrival and return its number."""
        with self._lock:
            number = next(self._numbers)
            self._arrivals.append((number, arrival))
            self._contacts[Contact.RELAY_MESSAGE if arrival.receiver is Receiver.RELAY else Contact.SES_MESSAGE] += 1
            return number

    def count(self, contact: Contact) -> None:
        """Count a connection or a request."""
        with self._lock:
            self._contacts[contact] += 1

    def arrivals(self) -> list[tuple[int, Arrival]]:
        """Return the arrivals with their numbers, oldest first."""
        with self._lock:
            return list(self._arrivals)

    def counts(self) -> Mapping[str, int]:
        """Return the counts since the start or the last `clear`."""
        with self._lock:
            return {contact.value: self._contacts[contact] for contact in Contact}

    def clear(self) -> None:
        """Remove all arrivals and counts; numbering continues."""
        with self._lock:
            self._arrivals.clear()
            self._contacts.clear()
