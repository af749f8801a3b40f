"""Send one message while the caller waits: decide, compose, make one attempt, say what became of it.

The rules that make it safe. One attempt goes to one transport, and no other transport is asked afterwards. Credentials
that the relay rejects are read again once; only a newer version of the same project's relay gets a second attempt,
because the first provably ended before MAIL.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.address import Address
from mailer.compose import compose
from mailer.draft import Draft
from mailer.message import Message
from mailer.outcome import Accepted, Attempt, RelayError, RelayFault, Unknown, Verdict
from mailer.ports import RelayTransport, SecretStore, ServerTransport
from mailer.project import ProjectId
from mailer.resolution import UseProjectRelay
from mailer.service.decide import ByRelay, ByServer, Decision, decide
from mailer.service.read_configuration import read_configuration
from mailer.service.unsent import unsent
from mailer.settings import Settings


class SendStatus(StrEnum):
    """What became of a message."""

    SENT = "sent"
    PARTIALLY_SENT = "partially_sent"
    UNKNOWN = "unknown"


class SendReport(msgspec.Struct, frozen=True):
    """A message of which at least one copy was, or may have been, accepted."""

    id: str
    status: SendStatus
    decision: Decision
    message_id: str
    verdicts: Mapping[Address, Verdict]


class SendPorts(msgspec.Struct, frozen=True):
    """What sending touches; `new_id` draws letters and digits, at least 128 bits of them."""

    settings: Settings
    secrets: SecretStore
    relay: RelayTransport
    server: ServerTransport
    now: Callable[[], datetime]
    new_id: Callable[[], str]


def send_email(draft: Draft, project_id: ProjectId, *, ports: SendPorts, deadline: float) -> SendReport:
    """Make one attempt within the deadline (monotonic seconds).

    Raises a `MailerError` where provably no copy was accepted: see `mailer.errors`.
    """
    configured = read_configuration(project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline)
    decision = decide(draft, configured.resolution, server_senders=ports.settings.server_senders)
    identity, date = ports.new_id(), ports.now()
    message = compose_for(draft, decision, identity=identity, date=date, boundary_token=ports.new_id)
    attempt = _attempt(message, decision, project_id, ports, deadline)
    if _credentials_rejected(attempt) and isinstance(decision.route, ByRelay):
        renewed = _decide_again(draft, decision.route, project_id, ports, deadline)
        if renewed is not None:
            decision = renewed
            message = compose_for(draft, decision, identity=identity, date=date, boundary_token=ports.new_id)
            attempt = _attempt(message, decision, project_id, ports, deadline)
    status = _status(attempt)
    if status is None:
        raise unsent(attempt, decision)
    return SendReport(identity, status, decision, message.message_id, attempt.verdicts)


def compose_for(
    draft: Draft, decision: Decision, *, identity: str, date: datetime, boundary_token: Callable[[], str]
) -> Message:
    """Compose the message that the decision stands for; its Message-ID is in the sender's domain."""
    return compose(
        draft,
        sender=decision.sender.used,
        reply_to=decision.reply_to,
        envelope_sender=decision.envelope_sender,
        message_id=f"<{identity}@{decision.sender.used.address.domain}>",
        date=date,
        boundary_token=boundary_token,
    )


def _attempt(message: Message, decision: Decision, project_id: ProjectId, ports: SendPorts, deadline: float) -> Attempt:
    match decision.route:
        case ByRelay(relay, version_id):
            return ports.relay.send(message, relay, project_id=project_id, version_id=version_id, deadline=deadline)
        case ByServer():
            return ports.server.send(message, deadline=deadline)
        case unreachable:
            assert_never(unreachable)


def _credentials_rejected(attempt: Attempt) -> bool:
    return bool(attempt.verdicts) and all(
        isinstance(verdict, RelayError) and verdict.fault is RelayFault.AUTH_REJECTED
        for verdict in attempt.verdicts.values()
    )


def _decide_again(
    draft: Draft, rejected: ByRelay, project_id: ProjectId, ports: SendPorts, deadline: float
) -> Decision | None:
    configured = read_configuration(
        project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline, refresh=True
    )
    # Only the project's relay again: a request that began with it never ends on another transport.
    if (
        not isinstance(configured.resolution, UseProjectRelay)
        or configured.resolution.version_id == rejected.version_id
    ):
        return None
    return decide(draft, configured.resolution, server_senders=ports.settings.server_senders)


def _status(attempt: Attempt) -> SendStatus | None:
    accepted = sum(isinstance(verdict, Accepted) for verdict in attempt.verdicts.values())
    if accepted:
        return SendStatus.SENT if accepted == len(attempt.verdicts) else SendStatus.PARTIALLY_SENT
    if any(isinstance(verdict, Unknown) for verdict in attempt.verdicts.values()):
        return SendStatus.UNKNOWN
    return None
