"""Results as HTTP callers see them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import assert_never

from mailer.api.emails.history import next_attempt_at, sender_view, shown_status
from mailer.api.problems import STATUS, problem_document, problem_view
from mailer.api.verdicts import (
    accepted_view,
    deferred_view,
    diversion_view,
    failovers_view,
    rejected_view,
    stage_view,
    unknown_view,
)
from mailer.errors import MailerError
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.secret.sender import FromDecision
from mailer.service.sending.accept_emails import Accepted, BatchItem
from mailer.service.sending.decide import ByProviders, ByServer, Decision
from mailer.service.sending.explain_email import Explanation
from mailer.service.sending.send_email import SendReport
from mailer.smtp.outcome import Unknown, Verdict


def send_status(record: Record) -> HTTPStatus:
    """200 where somebody gets the message or nobody is to, 202 where nobody does yet or nobody can say."""
    return HTTPStatus.OK if record.accepted or record.state is State.SUPPRESSED else HTTPStatus.ACCEPTED


def send_view(report: SendReport) -> dict[str, object]:
    """Show what became of a message."""
    return {
        **_outcome_view(report.record, report.verdicts),
        "transport": report.transport.value,
        "message_id": report.message_id,
        "from": from_view(report.decision.sender),
    }


def resumed_view(record: Record) -> dict[str, object]:
    """Show what became of a message whose first answer was never given."""
    return _outcome_view(record, record.verdicts)


def queued_view(accepted: Accepted) -> dict[str, object]:
    """Show a message that is queued, and how it would leave now."""
    return {
        "id": accepted.id,
        "status": State.QUEUED.value,
        "transport": accepted.decision.first.transport.value,
        "message_id": None,
        "from": from_view(accepted.decision.sender),
        "count": 0,
        **stage_view(accepted.stage),
    }


def batch_view(items: Sequence[BatchItem]) -> dict[str, object]:
    """Show the messages of a batch, in its order; one that was not accepted says so."""
    return {
        "emails": [
            {"id": item.id, "status": State.QUEUED.value, **stage_view(item.stage)}
            if item.code is None
            else {"id": None, "status": "not_accepted", "code": item.code}
            for item in items
        ],
        "count": sum(item.id is not None for item in items),
    }


def _outcome_view(record: Record, verdicts: Mapping[Address, Verdict]) -> dict[str, object]:
    # Who has the message is the first thing to know, also where the queue goes on for the others.
    is_partial = record.accepted and not record.is_final
    view: dict[str, object] = {
        "id": record.id,
        "status": State.PARTIALLY_SENT.value if is_partial else shown_status(record),
        "transport": record.transport,
        "message_id": record.message_id,
        "from": sender_view(record.sender),
        "accepted": accepted_view(verdicts),
        "rejected": rejected_view(verdicts),
        "deferred": deferred_view(verdicts),
        "count": record.accepted,
        "next_attempt_at": next_attempt_at(record),
        **failovers_view(record.failovers),
    }
    if record.diverted_to is not None:
        # Nobody who was meant has a copy: theirs became the one for that address.
        view |= {**diversion_view(record.diverted_to), "accepted": [], "diverted": accepted_view(verdicts)}
    if any(isinstance(verdict, Unknown) for verdict in verdicts.values()):
        view["unknown"] = unknown_view(verdicts)
    return view


def from_view(decision: FromDecision) -> dict[str, str | None]:
    """Show which From was asked for, which is used, and why."""
    return {
        "requested": str(decision.requested) if decision.requested is not None else None,
        "used": str(decision.used),
        "reason": decision.reason.value,
    }


def explanation_view(explanation: Explanation, *, instance: str) -> dict[str, object]:
    """Show how a draft would leave, or the problem that sending it would end with."""
    warnings = [problem_view(warning) for warning in explanation.warnings]
    match explanation.outcome:
        case Decision() as decision:
            return {
                "would_send": True,
                **_decision_view(decision),
                "recipients": [str(recipient) for recipient in explanation.recipients],
                "size": explanation.size,
                **stage_view(explanation.stage),
                "warnings": warnings,
                "problems": [],
            }
        case MailerError() as error:
            return {
                "would_send": False,
                "status": int(STATUS[error.code]),
                "problem": problem_document(error, instance=instance),
                "warnings": warnings,
                "problems": [problem_view(problem) for problem in error.problems],
            }
        case unreachable:
            assert_never(unreachable)


def _decision_view(decision: Decision) -> dict[str, object]:
    view: dict[str, object] = {"transport": decision.first.transport.value}
    match decision.route:
        case ByServer(reason):
            view["reason"] = reason.value
        case ByProviders(_, version_id):
            view["reason"] = "project-relay"
            view["version_id"] = version_id
        case unreachable:
            assert_never(unreachable)
    view["from"] = from_view(decision.sender)
    view["reply_to"] = [str(mailbox) for mailbox in decision.reply_to]
    view["envelope_sender"] = str(decision.envelope_sender)
    return view
