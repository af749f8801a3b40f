"""The outcome of one attempt: a verdict per recipient.

Two rules. A verdict follows from the phase and the relay's complete reply, never from an exception's text. `Deferred`
means provably not accepted; if the final octet was written and no complete reply came, the verdict is `Unknown`
(RFC 5321 section 4.2.5, RFC 1047).
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec import field

from mailer.message.address import Address
from mailer.smtp.reply import Reply


class Phase(StrEnum):
    """The phases of a session with a transport, in order."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL = "final"


_BEFORE_ANY_REPLY = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.TLS})


class Cause(StrEnum):
    """Why an attempt failed."""

    REPLY = "reply"
    CONNECTION_LOST = "connection-lost"
    TIMEOUT = "timeout"
    PROTOCOL_VIOLATION = "protocol-violation"
    NAME_NOT_FOUND = "name-not-found"
    NAME_UNAVAILABLE = "name-unavailable"
    REFUSED = "refused"
    HOST_BLOCKED = "host-blocked"
    STARTTLS_NOT_OFFERED = "starttls-not-offered"
    TLS_MISMATCH = "tls-mismatch"
    TLS_HANDSHAKE_FAILED = "tls-handshake-failed"
    CERTIFICATE_HOST_MISMATCH = "certificate-host-mismatch"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    CERTIFICATE_INVALID = "certificate-invalid"
    AUTH_MECHANISM_UNSUPPORTED = "auth-mechanism-unsupported"
    OAUTH_CLIENT_REJECTED = "oauth-client-rejected"
    OAUTH_CLIENT_UNAUTHORIZED = "oauth-client-unauthorized"
    OAUTH_GRANT_REJECTED = "oauth-grant-rejected"
    OAUTH_SCOPE_REJECTED = "oauth-scope-rejected"
    OAUTH_REQUEST_REJECTED = "oauth-request-rejected"
    OAUTH_ANSWER_MALFORMED = "oauth-answer-malformed"
    OAUTH_UNAVAILABLE = "oauth-unavailable"
    TOO_LITTLE_TIME = "too-little-time"
    TOO_LARGE = "too-large"
    THROTTLED = "throttled"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    SERVICE_ERROR = "service-error"
    WORKER_LOST = "worker-lost"


class Failure(msgspec.Struct, frozen=True):
    """The phase and the cause of a failed attempt; `reply` is the relay's reply, if any."""

    phase: Phase
    cause: Cause
    reply: Reply | None = None

    @property
    def code(self) -> int | None:
        """The reply code, if there is a reply."""
        return None if self.reply is None else self.reply.code

    @property
    def is_unreachable(self) -> bool:
        """Whether the transport could not be reached, or gave no reply before the session began.

        A relay without a free connection can be reached.
        """
        is_busy = self.cause is Cause.TOO_MANY_CONNECTIONS
        return self.reply is None and self.phase in _BEFORE_ANY_REPLY and not is_busy


class ProbePassed(msgspec.Struct, frozen=True):
    """A probe whose login and envelope sender were accepted; `is_protected` is true if the session used TLS."""

    is_protected: bool


class Accepted(msgspec.Struct, frozen=True, tag=True):
    """The transport took responsibility: it gave a complete 2yz reply to the end of the message."""

    reply: Reply


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """A complete 5yz reply about the message or the recipient; the same message will fail again."""

    failure: Failure


class Deferred(msgspec.Struct, frozen=True, tag=True):
    """Provably not accepted: a later attempt may succeed, and cannot send a second copy."""

    failure: Failure


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """The whole message was written and no complete reply came: it may have been accepted."""

    failure: Failure


class RelayFault(StrEnum):
    """What an admin must correct before a message can be sent; for `SERVER_TRANSPORT_FAILED` the operator must act."""

    AUTH_REJECTED = "relay-auth-rejected"
    TLS_FAILED = "relay-tls-failed"
    HOST_BLOCKED = "relay-host-blocked"
    SENDER_REFUSED = "relay-refuses-sender"
    SERVER_TRANSPORT_FAILED = "server-transport-failed"


class RelayError(msgspec.Struct, frozen=True, tag=True):
    """Provably not accepted, and an admin must act before a later attempt can succeed."""

    fault: RelayFault
    failure: Failure


# Tagged, because the ledger stores them.
type Verdict = Accepted | Rejected | Deferred | Unknown | RelayError


class Attempt(msgspec.Struct, frozen=True):
    """The verdict on every recipient of one attempt; `reference` is the transport's own id of the message, if any."""

    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)
    reference: str | None = None

    @classmethod
    def uniform(cls, recipients: tuple[Address, ...], verdict: Verdict, reference: str | None = None) -> "Attempt":
        """Give every recipient the same verdict, which concerns the whole message."""
        return cls(dict.fromkeys(recipients, verdict), reference)
