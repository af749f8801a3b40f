"""Accept messages for later. A message that could not be sent now is refused at once."""

from collections.abc import Callable, Sequence
from copy import replace
from functools import cache, partial

import msgspec

from mailer.errors import (
    AcceptanceUnknown,
    ContentUnavailable,
    InvalidRequest,
    KeyReused,
    LedgerUnavailable,
    LimitReached,
    MailerError,
    SenderNotApproved,
    TemplateNotFound,
)
from mailer.input.inspection import MAX_PROBLEMS
from mailer.ledger.idempotency import KeyState, KeyUse, StoredAnswer
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.record import OnUnknown
from mailer.message.compose import envelope_recipients
from mailer.message.draft import Draft, TemplateUse
from mailer.message.stage import PRODUCTION, Stage
from mailer.ports import SendPorts
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret.resolution import UseProjectRelay
from mailer.service.sending.complete_draft import FindTemplate, complete_draft
from mailer.service.sending.decide import Decision
from mailer.service.sending.demand_sendable import decide_sendable, demand_sendable, resolve_project
from mailer.service.sending.queue_email import queue_email
from mailer.service.sending.quota import OperatorQuota, demand_possible
from mailer.service.sending.repeated_request import (
    Replayed,
    Resumed,
    earlier_request,
    find_key,
    look_up_key,
)


class EmailRequest(msgspec.Struct, frozen=True):
    """One message as requested.

    `use` completes the draft with a template. `place` is the message's JSON pointer in the request's body. `transport`
    is the override, not parsed yet.
    """

    draft: Draft
    on_unknown: OnUnknown = OnUnknown.HOLD
    place: str = ""
    use: TemplateUse | None = None
    transport: object = None

    def completed(self, find: FindTemplate) -> "EmailRequest":
        """Return the request with a complete draft; see `complete_draft`."""
        return replace(self, draft=complete_draft(self.draft, self.use, find=find), use=None)


class Accepted(msgspec.Struct, frozen=True):
    """A queued message, and how it would be sent now.

    `quota` is the tightest limit that the message counts for. `is_requested` is false if the caller wanted to wait for
    the outcome, but all slots of the relay were in use.
    """

    id: str
    decision: Decision
    stage: Stage = PRODUCTION
    quota: QuotaStatus | None = None
    is_requested: bool = True


class BatchItem(msgspec.Struct, frozen=True):
    """One message of a batch: its id, or an error code. `is_new` is false if an earlier request queued the message.

    With both, the ledger did not confirm the message: it may be queued under this id.
    """

    id: str | None
    code: str | None = None
    is_new: bool = False
    stage: Stage = PRODUCTION

    @property
    def is_queued(self) -> bool:
        """Whether the message is certainly queued."""
        return self.id is not None and self.code is None


def accept_email(
    request: EmailRequest,
    project_id: ProjectId,
    *,
    ports: SendPorts,
    deadline: float,
    key: KeyUse | None = None,
    role: str | None = None,
    render: Callable[[Accepted], StoredAnswer],
) -> Accepted | Replayed | Resumed:
    """Queue a message for a caller with this role; `render` makes the answer that is stored under the key.

    Raises a `MailerError` if the message was not accepted.
    """
    found = look_up_key(key, project_id, ports)
    if isinstance(found, Replayed | Resumed):
        return found
    key = found
    request = request.completed(partial(ports.templates.get, project_id))
    decision = demand_sendable(request.draft, project_id, ports=ports, deadline=deadline)
    try:
        quota = _take_quota((request,), (decision,), project_id, role, ports)
    except LimitReached:
        # An equal request may have begun since the key was looked up, and used up the limit.
        found = look_up_key(key, project_id, ports)
        if isinstance(found, Replayed | Resumed):
            return found
        raise
    accepted = Accepted(ports.new_id(), decision, ports.settings.stage, quota.status)
    return queue_accepted(accepted, request, project_id, ports=ports, key=key, quota=quota, render=render)


def queue_accepted(
    accepted: Accepted,
    request: EmailRequest,
    project_id: ProjectId,
    *,
    ports: SendPorts,
    key: KeyUse | None,
    quota: OperatorQuota,
    render: Callable[[Accepted], StoredAnswer],
) -> Accepted | Replayed | Resumed:
    """Queue the message; if its key is known, return the result of the earlier request and give the quota back.

    If the message was not accepted, raises a `MailerError` and gives the quota back, unless the message may have been
    recorded.
    """
    if key is not None:
        key = replace(key, answer=render(accepted))
    try:
        queued = queue_email(
            request.draft,
            project_id,
            ports=ports,
            id=accepted.id,
            key=key,
            on_unknown=request.on_unknown,
            own_transport=accepted.decision.by_own_transport,
        )
    except ContentUnavailable:
        quota.give_back()
        raise
    except AcceptanceUnknown:
        quota.keep()
        raise
    except LedgerUnavailable:
        if _may_be_recorded(accepted.id, project_id, ports):
            quota.keep()
        quota.give_back()
        raise
    if not isinstance(queued, KeyState) or key is None or queued.id == accepted.id:
        return accepted
    quota.give_back()
    return earlier_request(queued, key, project_id, ports)


def accept_batch(
    requests: Sequence[EmailRequest],
    project_id: ProjectId,
    *,
    ports: SendPorts,
    deadline: float,
    key_of: Callable[[int], KeyUse] | None = None,
    has_time: Callable[[], bool],
    role: str | None = None,
) -> tuple[BatchItem, ...]:
    """Queue every message; if one of them could not be sent now, queue none and raise a `MailerError`.

    `key_of` returns the key of each message: a repeated request queues only messages that the first request did not
    queue, and counts none of them again. If a store fails between two messages, the remaining items are errors. But if
    there are keys, or nothing was queued yet, the failure is raised, because the caller may then repeat the request.
    Without keys, a message that the ledger did not confirm is an item with its id and a code.
    """
    quota: OperatorQuota | None = None
    first = _first_of_repeated(key_of(0), project_id, ports) if key_of is not None else None
    find = cache(partial(ports.templates.get, project_id))
    if first is not None:
        waits_for_own = cache(partial(_waits_for_own, first, project_id, ports, deadline))
    else:
        requests = _complete_all(requests, find)
        decisions = _demand_all_sendable(requests, project_id, ports, deadline)
        own_transport = any(decision.by_own_transport for decision in decisions)
        waits_for_own = cache(lambda: own_transport)
        try:
            quota = _take_quota(requests, decisions, project_id, role, ports)
        except LimitReached:
            # As for one message.
            first = _first_of_repeated(key_of(0), project_id, ports) if key_of is not None else None
            if first is None:
                raise
    items: list[BatchItem] = []
    try:
        for index, request in enumerate(requests):
            if not has_time():
                raise ContentUnavailable
            key = key_of(index) if key_of is not None else None
            item = _accept_item(
                request, project_id, ports, find, key=key, is_repeated=first is not None, waits_for_own=waits_for_own
            )
            if quota is not None and not items and not item.is_new:
                # The request that queues the first message counts the whole batch, and an equal request has done so.
                quota.give_back()
            items.append(item)
    except AcceptanceUnknown as error:
        items.append(BatchItem(error.id, error.code, stage=ports.settings.stage))
        if quota is not None:
            quota.give_back(_recipients(requests[len(items) :]))
        items.extend(BatchItem(None, LedgerUnavailable.code) for _ in requests[len(items) :])
    except MailerError as error:
        # With keys the caller repeats the request. The repetition takes quota only if nothing was queued before, so
        # only then is the quota given back.
        is_counted_again = not items and (
            isinstance(error, ContentUnavailable | KeyReused)
            or (key_of is not None and not _may_be_repeated(key_of(0), project_id, ports))
        )
        if quota is not None and (is_counted_again or key_of is None):
            quota.give_back(_recipients(requests[len(items) :]))
        if not items or key_of is not None:
            raise
        items.extend(BatchItem(None, error.code) for _ in requests[len(items) :])
    return tuple(items)


def _may_be_recorded(id: str, project_id: ProjectId, ports: SendPorts) -> bool:
    try:
        return ports.ledger.find(project_id, id) is not None
    except LedgerUnavailable:
        return True


def _accept_item(
    request: EmailRequest,
    project_id: ProjectId,
    ports: SendPorts,
    find: FindTemplate,
    *,
    key: KeyUse | None,
    is_repeated: bool,
    waits_for_own: Callable[[], bool],
) -> BatchItem:
    if is_repeated and key is not None and (known := find_key(key, project_id, ports)) is not None:
        return _known_item(known, key)
    try:
        request = request.completed(find)
    except (InvalidRequest, TemplateNotFound) as error:
        # The template has changed since the first request, and that request accepted other messages of this batch.
        return BatchItem(None, error.code)
    identity = ports.new_id()
    queued = queue_email(
        request.draft,
        project_id,
        ports=ports,
        id=identity,
        key=key,
        on_unknown=request.on_unknown,
        own_transport=waits_for_own(),
    )
    if isinstance(queued, KeyState) and key is not None and queued.id != identity:
        return _known_item(queued, key)
    return BatchItem(identity, is_new=True, stage=ports.settings.stage)


def _take_quota(
    requests: Sequence[EmailRequest],
    decisions: Sequence[Decision],
    project_id: ProjectId,
    role: str | None,
    ports: SendPorts,
) -> OperatorQuota:
    """Count the messages' recipients for the operator's limits. If it raises `LimitReached`, nothing is counted."""
    for request, decision in zip(requests, decisions, strict=True):
        demand_possible(decision, _recipients((request,)), now=ports.timestamp())
    quota = OperatorQuota(project_id, ports)
    quota.take(role, _recipients(requests))
    return quota


def _recipients(requests: Sequence[EmailRequest]) -> int:
    return sum(len(envelope_recipients(request.draft)) for request in requests)


def _known_item(known: KeyState, key: KeyUse) -> BatchItem:
    if known.is_of_another_request(key):
        raise KeyReused
    return BatchItem(known.id)


def _first_of_repeated(first: KeyUse, project_id: ProjectId, ports: SendPorts) -> KeyState | None:
    known = find_key(first, project_id, ports)
    if known is not None and known.is_of_another_request(first):
        raise KeyReused
    return known


def _waits_for_own(first: KeyState, project_id: ProjectId, ports: SendPorts, deadline: float) -> bool:
    """Whether the other messages of a repeated batch wait for the project's own transport, as the first one did."""
    record = ports.ledger.find(project_id, first.id)
    if record is not None and record.own_transport:
        return True
    resolution = resolve_project(project_id, ports=ports, deadline=deadline)
    return isinstance(resolution, UseProjectRelay)


def _may_be_repeated(first: KeyUse, project_id: ProjectId, ports: SendPorts) -> bool:
    try:
        return find_key(first, project_id, ports) is not None
    except LedgerUnavailable:
        return True


def _complete_all(requests: Sequence[EmailRequest], find: FindTemplate) -> tuple[EmailRequest, ...]:
    completed: list[EmailRequest] = []
    problems: list[Problem] = []
    refused: InvalidRequest | TemplateNotFound | None = None
    for request in requests:
        try:
            completed.append(request.completed(find))
        except (InvalidRequest, TemplateNotFound) as error:
            refused = refused or error
            problems.extend(error.problems)
    if refused is not None:
        raise refused.with_problems(tuple(problems[:MAX_PROBLEMS]))
    return tuple(completed)


def _demand_all_sendable(
    requests: Sequence[EmailRequest], project_id: ProjectId, ports: SendPorts, deadline: float
) -> tuple[Decision, ...]:
    resolution = resolve_project(project_id, ports=ports, deadline=deadline)
    decisions: list[Decision] = []
    refused: SenderNotApproved | None = None
    problems: list[Problem] = []
    unknown: list[Problem] = []
    for request in requests:
        try:
            decisions.append(decide_sendable(request.draft, resolution, ports=ports))
        except InvalidRequest as error:
            unknown.extend(replace(each, pointer=f"{request.place}{each.pointer}") for each in error.problems)
        except SenderNotApproved as error:
            refused = error
            problems.append(Problem(error.code, error.detail, pointer=f"{request.place}/from"))
    if unknown:
        raise InvalidRequest(*unknown)
    if refused is not None:
        raise refused.with_problems(tuple(problems))
    return tuple(decisions)
