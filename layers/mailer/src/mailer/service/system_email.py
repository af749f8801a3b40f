"""Queue the system e-mail of a lifecycle event, once for each request id.

Nothing is sent here and no configuration is read. If the configuration is invalid, the e-mail is held when it is
delivered.
"""

import logging
from collections.abc import Callable
from copy import replace
from enum import StrEnum

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger.idempotency import EVENT_KEY_LIFETIME_SECONDS, KeyState, KeyUse, digest
from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, State
from mailer.message.draft import Draft, StoredDraft
from mailer.ports import AcceptPorts
from mailer.project import ProjectId
from mailer.service.known_project import demand_known
from mailer.service.sending.new_record import new_record
from mailer.service.sending.queue_email import queue_email
from mailer.service.sending.quota import OperatorQuota
from mailer.service.sending.write_record import insert_record
from mailer.system_email.content import Templates, platform_of, recipient_of, render_event
from mailer.system_email.event import LifecycleEvent

_LOGGER = logging.getLogger(__name__)
# RFC 3834: this header tells mail programs to send no automatic reply.
_HEADERS = (("Auto-Submitted", "auto-generated"),)


class Disposition(StrEnum):
    """The result of an event."""

    QUEUED = "queued"
    REPEATED = "repeated"
    EXPIRED = "expired"


class SystemEmailReport(msgspec.Struct, frozen=True):
    """The result of an event; `id` is the id of the message.

    `differs` is true if an earlier event had the same request id, but another type or recipient: the producer used the
    id twice, and the second e-mail is not sent.
    """

    disposition: Disposition
    id: str
    project_id: ProjectId | None
    differs: bool = False


def make_system_email(
    event: LifecycleEvent, *, ports: AcceptPorts, templates: Templates, has_secret: Callable[[ProjectId], bool]
) -> SystemEmailReport:
    """Queue the e-mail, or record it as expired; raises `LedgerUnavailable` and `ContentUnavailable`.

    Raises `InvalidRequest` and `SecretsUnavailable` as `demand_known` does.

    The request id is the idempotency key within the project. Two events with the same request id mean the same e-mail,
    even if other fields differ.
    """
    if event.project_id is not None:
        demand_known(event.project_id, ports=ports, has_secret=has_secret)
    now = ports.timestamp()
    key = KeyUse(
        digest=digest("event", event.request_id),
        # A repeated event is compared with the record, so no hash of its address is stored.
        fingerprint="",
        expires_at=now + EVENT_KEY_LIFETIME_SECONDS,
    )
    content = render_event(event, platform=platform_of(ports.settings), templates=templates)
    draft = Draft(
        to=(recipient_of(event),), subject=content.subject, text=content.text, html=content.html, headers=_HEADERS
    )
    if event.expires_at is not None and event.expires_at <= now:
        return _expire(event, draft, key, ports)
    id = ports.new_id()
    accepted = queue_email(
        draft,
        event.project_id,
        ports=ports,
        id=id,
        key=key,
        # A second copy of a link does no harm, but a missing link does.
        on_unknown=OnUnknown.RETRY,
        origin=event.type.value,
        request_id=event.request_id,
        valid_until=now + MAX_AGE_SECONDS if event.expires_at is None else event.expires_at,
    )
    if isinstance(accepted, KeyState):
        return _repeated(event, accepted, ports)
    _count(event.project_id, ports)
    return SystemEmailReport(Disposition.QUEUED, id, event.project_id)


def _count(project_id: ProjectId | None, ports: AcceptPorts) -> None:
    """Count the e-mail for the project's limits. A limit never refuses a system e-mail. Failures are ignored."""
    if project_id is None:
        return
    try:
        OperatorQuota(project_id, ports).count(1)
    except LedgerUnavailable:
        _LOGGER.warning("system e-mail not counted", extra={"project_id": project_id})


def _expire(event: LifecycleEvent, draft: Draft, key: KeyUse, ports: AcceptPorts) -> SystemEmailReport:
    """Record the e-mail as expired and publish that; the content is not stored."""
    stored = StoredDraft(draft, ports.now())
    now = stored.date.timestamp()
    fresh = new_record(
        stored,
        event.project_id,
        identity=ports.new_id(),
        now=now,
        on_unknown=OnUnknown.RETRY,
        valid_until=event.expires_at,
    )
    fresh = replace(fresh, origin=event.type.value, request_id=event.request_id)
    record = conclude(fresh, State.EXPIRED, Reason.EXPIRED, now=now)
    known = insert_record(record, ports, key=key)
    if known is not None:
        return _repeated(event, known, ports)
    ports.publish_state(record)
    return SystemEmailReport(Disposition.EXPIRED, record.id, event.project_id)


def _repeated(event: LifecycleEvent, known: KeyState, ports: AcceptPorts) -> SystemEmailReport:
    record = ports.ledger.find(event.project_id, known.id)
    differs = record is not None and (
        record.origin != event.type.value or record.recipients[0].address != event.user.email
    )
    return SystemEmailReport(Disposition.REPEATED, known.id, event.project_id, differs=differs)
