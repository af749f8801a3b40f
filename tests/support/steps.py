"""What a scripted relay can do, one step at a time.

`Hang`, `StopReading`, `Close` and `Reset` end a script: nothing after them is performed.
"""

import ssl
import threading
from dataclasses import dataclass

from tests.support.content import STRICT, Receiver


@dataclass(frozen=True, slots=True)
class Send:
    """Write the octets as they are, in one segment unless `Split` says otherwise."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Expect:
    """Read one line; one that does not begin with the prefix, in any case, fails the test that runs the script."""

    prefix: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Write the octets one at a time, `interval` seconds apart."""

    octets: bytes
    interval: float


@dataclass(frozen=True, slots=True)
class Flood:
    """Write the octets `count` times, as fast as the client takes them."""

    octets: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Hang:
    """Answer nothing, read and record what still comes until the client leaves."""


@dataclass(frozen=True, slots=True)
class StopReading:
    """Read nothing more and stay connected until the relay stops: a window that closes."""


@dataclass(frozen=True, slots=True)
class Close:
    """Send FIN; under TLS without a close_notify, as some relays do."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Send RST."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Send FIN and go on reading."""


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """Read content up to the end that the receiver sees, and keep the message with its envelope unless told not to."""

    receiver: Receiver = STRICT
    keep: bool = True


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Read a BDAT command and its octets; the last chunk completes the message (RFC 3030)."""

    keep: bool = True


@dataclass(frozen=True, slots=True)
class StartTls:
    """Be the server of a TLS handshake."""

    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Await:
    """Do nothing until the test sets the event."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Signal:
    """Set the event, so that the test knows what has been done."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Split:
    """From here on write in segments of this many octets; None writes whole."""

    size: int | None


type Step = (
    Send
    | Expect
    | Drip
    | Flood
    | Hang
    | StopReading
    | Close
    | Reset
    | HalfClose
    | ReadMessage
    | ReadChunk
    | StartTls
    | Await
    | Signal
    | Split
)
