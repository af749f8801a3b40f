"""Results of sending, queueing and explaining as API callers see them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Literal, assert_never

from msgspec import UNSET, Meta, UnsetType, field

from mailer.api.body import Always, Body, Count, ErrorStatus, fill, one_of
from mailer.api.emails.batch import MAX_BATCH
from mailer.api.emails.history import (
    EmailId,
    NextAttempt,
    UsedFrom,
    sender_view,
    shown_status,
    time_view,
)
from mailer.api.emails.query import STATUSES
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import STATUS, ErrorCode, ProblemDocument, problem_document
from mailer.api.verdicts import (
    DivertedTo,
    Failover,
    RefusedRecipient,
    accepted_view,
    diversion_view,
    failovers_view,
    refused_view,
)
from mailer.errors import MailerError
from mailer.ledger.recipients import may_have_copies
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.message.stage import Stage
from mailer.secret.resolution import ServerReason
from mailer.secret.sender import FromDecision
from mailer.service.sending.accept_emails import Accepted, BatchItem
from mailer.service.sending.decide import ByProviders, ByServer, Decision, TransportName
from mailer.service.sending.explain_email import Explanation
from mailer.service.sending.repeated_request import Resumed
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Deferred, Rejected, RelayError, Unknown, Verdict

type Suppressed = Annotated[Always, Meta(description="The stage sends no messages.")]
type AcceptedCount = Annotated[Count, Meta(description="How many copies were accepted.")]

_PROJECT_RELAY = "project-relay"
type _Diverted = Annotated[tuple[str, ...], Meta(description="Recipients whose copy went to `diverted_to`.")]
type _Unknown = Annotated[
    tuple[RefusedRecipient, ...], Meta(description="Recipients whose copy may or may not have been accepted.")
]


class SentEmail(Body, frozen=True, kw_only=True):
    """A message that was sent or deferred, or whose outcome is unknown."""

    id: EmailId
    status: Annotated[str, one_of(state for state in STATUSES if state is not State.HELD)]
    transport: Annotated[
        Annotated[str, one_of(TransportName)] | None, Meta(description="null before the first attempt.")
    ]
    message_id: str | None
    sender: UsedFrom | None = field(name="from")
    accepted: tuple[str, ...]
    rejected: tuple[RefusedRecipient, ...]
    deferred: Annotated[
        tuple[RefusedRecipient, ...],
        Meta(description="Recipients that are tried again at `next_attempt_at`, unless that is null."),
    ]
    count: AcceptedCount
    next_attempt_at: NextAttempt
    failovers: tuple[Failover, ...] | UnsetType = UNSET
    diverted_to: DivertedTo | UnsetType = UNSET
    diverted: _Diverted | UnsetType = UNSET
    unknown: _Unknown | UnsetType = UNSET


class QueuedEmail(Body, frozen=True, kw_only=True):
    """A queued message; `transport` and `from` show how it would be sent now."""

    id: EmailId
    status: Literal["queued"] = "queued"
    transport: TransportName
    message_id: None
    sender: UsedFrom = field(name="from")
    count: Annotated[int, Meta(ge=0, le=0)] = 0
    diverted_to: DivertedTo | UnsetType = UNSET
    suppressed: Suppressed | UnsetType = UNSET


type SendResult = SentEmail | QueuedEmail


class BatchedEmail(Body, frozen=True, kw_only=True):
    """A message of a batch: queued with an id, or not accepted with a code.

    With `unknown` the message may be queued or not: read it by its id.
    """

    id: EmailId | None
    status: Literal["queued", "not_accepted", "unknown"]
    code: ErrorCode | UnsetType = UNSET
    diverted_to: DivertedTo | UnsetType = UNSET
    suppressed: Suppressed | UnsetType = UNSET


class AcceptedBatch(Body, frozen=True, kw_only=True):
    """The messages of a batch, in the order of the request."""

    emails: Annotated[tuple[BatchedEmail, ...], Meta(max_length=MAX_BATCH)]
    count: Annotated[int, Meta(ge=0, le=MAX_BATCH, description="How many messages are queued.")]


class PossibleEmail(Body, frozen=True, kw_only=True):
    """How a message would be sent."""

    would_send: Always = True
    transport: TransportName
    reason: Annotated[str, one_of((*ServerReason, _PROJECT_RELAY))]
    version_id: str | UnsetType = UNSET
    sender: UsedFrom = field(name="from")
    reply_to: tuple[str, ...]
    envelope_sender: str
    recipients: tuple[str, ...]
    size: Annotated[int | None, Meta(description="Octets.")]
    diverted_to: DivertedTo | UnsetType = UNSET
    suppressed: Suppressed | UnsetType = UNSET
    warnings: tuple[ProblemPlace, ...]
    problems: Annotated[tuple[ProblemPlace, ...], Meta(max_length=0)] = ()


class ImpossibleEmail(Body, frozen=True, kw_only=True):
    """A message that cannot be sent: the status and the problem that a request to send it would get."""

    would_send: Annotated[bool, Meta(extra_json_schema={"const": False})] = False
    status: ErrorStatus
    problem: ProblemDocument
    warnings: tuple[ProblemPlace, ...]
    problems: tuple[ProblemPlace, ...]


def result_status(result: SendResult) -> HTTPStatus:
    """Return 200 if a copy was accepted or the stage sends no messages, otherwise 202."""
    return HTTPStatus.OK if result.count or result.status == State.SUPPRESSED else HTTPStatus.ACCEPTED


def result_view(outcome: SendReport | Accepted | Resumed) -> SendResult:
    """Show the result of a request to send."""
    match outcome:
        case SendReport():
            return send_view(outcome)
        case Accepted():
            return queued_view(outcome)
        case Resumed(record):
            # The first request stored no answer, so the record is shown.
            return _sent(record, record.verdicts, record.transport, record.message_id, sender_view(record.sender))
        case unreachable:
            assert_never(unreachable)


def send_view(report: SendReport) -> SentEmail:
    """Show the result of an attempt."""
    sender = from_view(report.decision.sender)
    return _sent(report.record, report.verdicts, report.transport.value, report.message_id, sender)


def queued_view(accepted: Accepted) -> QueuedEmail:
    """Show a message that is queued."""
    decision = accepted.decision
    sender = from_view(decision.sender)
    return fill(QueuedEmail, accepted, decision.first, message_id=None, sender=sender, **_stage_view(accepted.stage))


def batch_view(items: Sequence[BatchItem]) -> AcceptedBatch:
    """Show the messages of a batch."""
    return AcceptedBatch(emails=tuple(map(_batched, items)), count=sum(item.is_queued for item in items))


def from_view(decision: FromDecision) -> UsedFrom:
    """Show the From that was requested, the From that is used, and the reason."""
    return UsedFrom(
        requested=str(decision.requested) if decision.requested is not None else None,
        used=str(decision.used),
        reason=decision.reason.value,
    )


def explanation_view(explanation: Explanation, *, instance: str) -> PossibleEmail | ImpossibleEmail:
    """Show how a draft would be sent, or the problem that a request to send it would get."""
    match explanation.outcome:
        case Decision() as decision:
            return _possible(explanation, decision)
        case MailerError() as error:
            return ImpossibleEmail(
                status=int(STATUS[error.code]),
                problem=problem_document(error, instance=instance),
                warnings=problem_views(explanation.warnings),
                problems=problem_views(error.problems),
            )
        case unreachable:
            assert_never(unreachable)


def _sent(
    record: Record,
    verdicts: Mapping[Address, Verdict],
    transport: str | None,
    message_id: str | None,
    sender: UsedFrom | None,
) -> SentEmail:
    status = shown_status(record)
    if not record.is_final and may_have_copies(record):
        # The caller must know that a copy was or may have been accepted, even if other recipients are tried again.
        status = (State.PARTIALLY_SENT if record.accepted else State.UNKNOWN).value
    accepted = accepted_view(verdicts)
    is_diverted = record.diverted_to is not None
    return fill(
        SentEmail,
        record,
        status=status,
        transport=transport,
        message_id=message_id,
        sender=sender,
        # The copies went to the stage's address, not to the recipients.
        accepted=() if is_diverted else accepted,
        rejected=refused_view(verdicts, Rejected),
        deferred=refused_view(verdicts, Deferred, RelayError),
        count=record.accepted,
        next_attempt_at=time_view(record.due_at) if record.due_at is not None else None,
        failovers=failovers_view(record.failovers),
        diverted_to=diversion_view(record.diverted_to),
        diverted=accepted if is_diverted else None,
        unknown=refused_view(verdicts, Unknown) or None,
    )


def _batched(item: BatchItem) -> BatchedEmail:
    if item.code is not None:
        status: Literal["not_accepted", "unknown"] = "not_accepted" if item.id is None else "unknown"
        return BatchedEmail(id=item.id, status=status, code=item.code)
    return fill(BatchedEmail, item, status="queued", **_stage_view(item.stage))


def _possible(explanation: Explanation, decision: Decision) -> PossibleEmail:
    match decision.route:
        case ByServer(server_reason):
            reason, version_id = server_reason.value, None
        case ByProviders(_, version):
            reason, version_id = _PROJECT_RELAY, version
        case unreachable:
            assert_never(unreachable)
    return fill(
        PossibleEmail,
        decision.first,
        explanation,
        reason=reason,
        version_id=version_id,
        sender=from_view(decision.sender),
        reply_to=tuple(map(str, decision.reply_to)),
        envelope_sender=str(decision.envelope_sender),
        recipients=tuple(map(str, explanation.recipients)),
        warnings=problem_views(explanation.warnings),
        **_stage_view(explanation.stage),
    )


def _stage_view(stage: Stage) -> dict[str, object]:
    if stage.suppresses:
        return {"diverted_to": None, "suppressed": True}
    return {"diverted_to": diversion_view(stage.diverts_to), "suppressed": None}
