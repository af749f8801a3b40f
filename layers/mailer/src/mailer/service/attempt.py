"""One attempt at a claimed message, fenced by the ledger.

Right before the octets that complete the message may leave, the record is marked `SENDING`; where that cannot be
written, or somebody else has written meanwhile, nothing leaves. Credentials that the relay rejects are read again once;
only a newer version of the same project's relay gets a second try, because the first provably ended before MAIL.
"""

from collections.abc import Callable
from copy import replace
from datetime import datetime
from typing import Protocol, assert_never

import msgspec

from mailer.address import Address
from mailer.draft import StoredDraft
from mailer.lifecycle import mark_sending
from mailer.message import Message
from mailer.outcome import Attempt, RelayError, RelayFault
from mailer.ports import Ledger, RelayTransport, SecretStore, ServerTransport
from mailer.record import AttemptRecord, Record, State
from mailer.resolution import UseProjectRelay
from mailer.service.decide import ByRelay, ByServer, Decision, decide
from mailer.service.prepare import prepare, sender_record
from mailer.service.read_configuration import read_configuration
from mailer.settings import Settings


class AttemptPorts(Protocol):
    """What an attempt touches."""

    @property
    def settings(self) -> Settings:
        """The operator's settings."""

    @property
    def secrets(self) -> SecretStore:
        """The projects' secrets."""

    @property
    def relay(self) -> RelayTransport:
        """The road to the projects' relays."""

    @property
    def server(self) -> ServerTransport:
        """The platform's own transport."""

    @property
    def ledger(self) -> Ledger:
        """What became of every message."""

    @property
    def now(self) -> Callable[[], datetime]:
        """The time of day."""


class Attempted(msgspec.Struct, frozen=True):
    """What an attempt came to: the record as the ledger has it, not yet settled, and the verdicts."""

    record: Record
    decision: Decision
    attempt: AttemptRecord
    verdicts: Attempt
    message: Message


def attempt_message(
    claimed: Record,
    stored: StoredDraft,
    decision: Decision,
    recipients: tuple[Address, ...],
    *,
    ports: AttemptPorts,
    deadline: float,
) -> Attempted:
    """Make one attempt for these recipients.

    Raises `LedgerUnavailable` and `Superseded` where the record could not be marked; nothing has left then.
    """
    attempted = _attempt(claimed, stored, decision, recipients, ports, deadline)
    if isinstance(decision.route, ByRelay) and _credentials_rejected(attempted.verdicts):
        renewed = _decide_again(stored, decision.route, claimed, ports, deadline)
        if renewed is not None:
            # A relay may ask for credentials as late as MAIL: then the record is marked already.
            return _attempt(attempted.record, stored, renewed, recipients, ports, deadline)
    return attempted


def endpoint(decision: Decision) -> str | None:
    """Name the relay that a decision leads to."""
    match decision.route:
        case ByRelay(relay):
            return f"{relay.host}:{relay.port}"
        case ByServer():
            return None
        case unreachable:
            assert_never(unreachable)


def _attempt(
    claimed: Record,
    stored: StoredDraft,
    decision: Decision,
    recipients: tuple[Address, ...],
    ports: AttemptPorts,
    deadline: float,
) -> Attempted:
    message = replace(
        prepare(stored, decision, identity=claimed.id, message_id=claimed.message_id), recipients=recipients
    )
    version_id = decision.route.version_id if isinstance(decision.route, ByRelay) else None
    record = claimed
    attempt = AttemptRecord(ports.now().timestamp(), decision.transport.value, version_id, endpoint(decision))

    def mark() -> None:
        nonlocal record
        if record.state is State.SENDING and record.attempts[-1] == attempt:
            return
        marked = mark_sending(record, attempt, message_id=message.message_id, sender=sender_record(decision))
        record = ports.ledger.replace(marked)

    match decision.route:
        case ByRelay(relay, version):
            if claimed.project_id is None:
                msg = "a relay is always a project's"
                raise TypeError(msg)
            verdicts = ports.relay.send(
                message,
                relay,
                project_id=claimed.project_id,
                version_id=version,
                deadline=deadline,
                before_end=mark,
            )
        case ByServer():
            verdicts = ports.server.send(message, deadline=deadline, before_end=mark)
        case unreachable:
            assert_never(unreachable)
    return Attempted(record, decision, attempt, verdicts, message)


def _credentials_rejected(attempt: Attempt) -> bool:
    return bool(attempt.verdicts) and all(
        isinstance(verdict, RelayError) and verdict.fault is RelayFault.AUTH_REJECTED
        for verdict in attempt.verdicts.values()
    )


def _decide_again(
    stored: StoredDraft, rejected: ByRelay, claimed: Record, ports: AttemptPorts, deadline: float
) -> Decision | None:
    configured = read_configuration(
        claimed.project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline, refresh=True
    )
    # Only the project's relay again: a message that began with it never ends on another transport.
    if (
        not isinstance(configured.resolution, UseProjectRelay)
        or configured.resolution.version_id == rejected.version_id
    ):
        return None
    return decide(stored.draft, configured.resolution, server_senders=ports.settings.server_senders)
