"""Verdicts and replies as HTTP callers see them."""

from collections.abc import Mapping, Sequence

from mailer.ledger.event import failovers_detail
from mailer.ledger.record import AttemptRecord
from mailer.message.address import Address
from mailer.message.stage import Stage
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, Unknown, Verdict


def smtp_view(failure: Failure) -> dict[str, object]:
    """Show where a conversation failed and what the relay said."""
    view: dict[str, object] = {"phase": failure.phase.value, "cause": failure.cause.value}
    if failure.reply is not None:
        view["code"] = failure.reply.code
        view["enhanced_code"] = failure.reply.enhanced_code
        view["reply"] = failure.reply.text
    return view


def diversion_view(diverted_to: Address | None) -> dict[str, object]:
    """Show where a message went, or goes, instead of to its recipients; nothing where it is theirs."""
    return {} if diverted_to is None else {"diverted_to": str(diverted_to)}


def stage_view(stage: Stage) -> dict[str, object]:
    """Show what a stage that is not production does to a message that has not left yet."""
    return {"suppressed": True} if stage.suppresses else diversion_view(stage.diverts_to)


def accepted_view(verdicts: Mapping[Address, Verdict]) -> list[str]:
    """List who gets the message."""
    return [str(recipient) for recipient, verdict in verdicts.items() if isinstance(verdict, Accepted)]


def rejected_view(verdicts: Mapping[Address, Verdict]) -> list[dict[str, object]]:
    """List who does not, and why."""
    return [
        _recipient_view(recipient, verdict.failure)
        for recipient, verdict in verdicts.items()
        if isinstance(verdict, Rejected | RelayError)
    ]


def deferred_view(verdicts: Mapping[Address, Verdict]) -> list[dict[str, object]]:
    """List who may be tried again without a copy being doubled."""
    return [
        _recipient_view(recipient, verdict.failure)
        for recipient, verdict in verdicts.items()
        if isinstance(verdict, Deferred)
    ]


def unknown_view(verdicts: Mapping[Address, Verdict]) -> list[dict[str, object]]:
    """List whose copy may or may not have been accepted."""
    return [
        _recipient_view(recipient, verdict.failure)
        for recipient, verdict in verdicts.items()
        if isinstance(verdict, Unknown)
    ]


def _recipient_view(recipient: Address, failure: Failure) -> dict[str, object]:
    reply = failure.reply
    return {
        "recipient": str(recipient),
        "code": reply.code if reply is not None else None,
        "enhanced_code": reply.enhanced_code if reply is not None else None,
        "detail": reply.text if reply is not None else failure.cause.value,
    }


def failovers_view(failovers: Sequence[AttemptRecord]) -> dict[str, object]:
    """Show which providers were passed over, and what each had come to; nothing where none was."""
    return {"failovers": failovers_detail(failovers)} if failovers else {}
