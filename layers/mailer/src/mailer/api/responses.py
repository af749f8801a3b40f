"""Results as HTTP callers see them."""

from http import HTTPStatus
from typing import assert_never

from mailer.api.problems import STATUS, problem_document, problem_view
from mailer.api.verdicts import accepted_view, deferred_view, rejected_view, smtp_view, unknown_view
from mailer.errors import MailerError
from mailer.record import State
from mailer.sender import FromDecision
from mailer.service.check_configuration import Check, Examination
from mailer.service.decide import ByRelay, ByServer, Decision
from mailer.service.explain_email import Explanation
from mailer.service.send_email import SendReport
from mailer.service.show_configuration import ConfigurationView


def send_status(report: SendReport) -> HTTPStatus:
    """200 where somebody gets the message, 202 where nobody can say."""
    return HTTPStatus.ACCEPTED if report.status is State.UNKNOWN else HTTPStatus.OK


def send_view(report: SendReport) -> dict[str, object]:
    """Show what became of a message."""
    accepted = accepted_view(report.verdicts)
    view: dict[str, object] = {
        "id": report.id,
        "status": report.status.value,
        "transport": report.decision.transport.value,
        "message_id": report.message_id,
        "from": from_view(report.decision.sender),
        "accepted": accepted,
        "rejected": rejected_view(report.verdicts),
        "deferred": deferred_view(report.verdicts),
        "count": len(accepted),
    }
    if report.status is State.UNKNOWN:
        view["unknown"] = unknown_view(report.verdicts)
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


def configuration_view(view: ConfigurationView) -> dict[str, object]:
    """Show a project's configuration."""
    return {
        "state": view.state.value,
        "version_id": view.version_id,
        "entries": dict(view.entries),
        "problems": [problem_view(problem) for problem in view.problems],
        "warnings": [problem_view(warning) for warning in view.warnings],
    }


def examination_view(examination: Examination) -> dict[str, object]:
    """Show the checks in their order."""
    return {
        "valid": examination.is_valid,
        "version_id": examination.version_id,
        "checks": [_check_view(check) for check in examination.checks],
        "warnings": [problem_view(warning) for warning in examination.warnings],
    }


def _decision_view(decision: Decision) -> dict[str, object]:
    view: dict[str, object] = {"transport": decision.transport.value}
    match decision.route:
        case ByServer(reason):
            view["reason"] = reason.value
        case ByRelay(_, version_id):
            view["reason"] = "project-relay"
            view["version_id"] = version_id
        case unreachable:
            assert_never(unreachable)
    view["from"] = from_view(decision.sender)
    view["reply_to"] = [str(mailbox) for mailbox in decision.reply_to]
    view["envelope_sender"] = str(decision.envelope_sender)
    return view


def _check_view(check: Check) -> dict[str, object]:
    view: dict[str, object] = {"name": check.name.value, "status": check.status.value}
    for key, value in (("reason", check.reason), ("remedy", check.remedy), ("entry", check.entry)):
        if value is not None:
            view[key] = value
    if check.problems:
        view["problems"] = [problem_view(problem) for problem in check.problems]
    if check.failure is not None:
        view["smtp"] = smtp_view(check.failure)
    return view
