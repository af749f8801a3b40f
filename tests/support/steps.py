"""The steps of a scripted relay.

`Hang`, `StopReading`, `Close` and `Reset` end a script: later steps are not performed.
"""

import ssl
import threading
from dataclasses import dataclass

from tests.support.content import STRICT, Receiver


@dataclass(frozen=True, slots=True)
class Send:
    """Write the octets unchanged, in one segment; after `Split`, in several segments."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Expect:
    """Read one line. If it does not begin with the prefix, in any case, the test that runs the script fails."""

    prefix: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Write the octets one at a time, `interval` seconds apart."""

    octets: bytes
    interval: float


@dataclass(frozen=True, slots=True)
class Flood:
    """Write the octets `count` times, as fast as the client reads them."""

    octets: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Hang:
    """Answer nothing, but read and record until the client leaves."""


@dataclass(frozen=True, slots=True)
class StopReading:
    """Read nothing more and stay connected until the relay stops, so that the TCP window closes."""


@dataclass(frozen=True, slots=True)
class Close:
    """Send FIN; under TLS without a close_notify, as some relays do."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Send RST."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Send FIN and continue reading."""


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """Read content up to its end for the receiver. Record the message with its envelope unless `keep` is false."""

    receiver: Receiver = STRICT
    keep: bool = True


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Read a BDAT command and its octets; the last chunk completes the message (RFC 3030)."""

    keep: bool = True


@dataclass(frozen=True, slots=True)
class StartTls:
    """Perform the server's side of a TLS handshake."""

    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Await:
    """Do nothing until the test sets the event."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Signal:
    """Set the event, so that the test can continue."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Split:
    """Write in segments of this many octets from now on; None ends the splitting."""

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
