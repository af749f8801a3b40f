"""The events about messages: each end has one, it counts the recipients, and it shows no address."""

from copy import replace

import pytest
from mailer.ledger.event import EventName, email_event
from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import FINAL_STATES, Record, State

from tests.core.ledger.test_lifecycle import ADA, BOB, DEFERRED, NOW, REJECTED, UNKNOWN, record, settled
from tests.fakes import ACCEPTED

ENDS = {
    State.SENT: "EmailSent",
    State.PARTIALLY_SENT: "EmailSent",
    State.REJECTED: "EmailRejected",
    State.UNKNOWN: "EmailOutcomeUnknown",
    State.EXPIRED: "EmailExpired",
    State.CANCELLED: "EmailCancelled",
    State.FAILED: "EmailFailed",
    State.SUPPRESSED: "EmailSuppressed",
}


def published(message: Record) -> tuple[EventName, dict[str, object]]:
    event = email_event(message)
    assert event is not None
    return event.name, dict(event.detail)


def test_every_end_has_an_event() -> None:
    assert {state: published(record(state=state))[0] for state in FINAL_STATES} == ENDS


def test_a_partial_end_says_so() -> None:
    partly = settled(record(ADA, BOB), ACCEPTED, DEFERRED)
    name, detail = published(conclude(partly, State.CANCELLED, Reason.CANCELLED, now=NOW))

    assert (name, detail["status"], detail["reason"]) == ("EmailSent", "partially_sent", "cancelled")
    assert {key: detail[key] for key in ("recipients", "accepted", "rejected", "unknown")} == {
        "recipients": 2,
        "accepted": 1,
        "rejected": 0,
        "unknown": 0,
    }


def test_an_event_counts_the_verdicts() -> None:
    _, detail = published(settled(record(ADA, BOB), REJECTED, UNKNOWN))

    assert (detail["accepted"], detail["rejected"], detail["unknown"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("request_id", "shown"),
    [
        ("reset-1", "reset-1"),
        ("a" * 256, "a" * 256),
        ("9f1b:2#3+4.5_6", "9f1b:2#3+4.5_6"),
        ("reset-ada@example.com", None),
        ("https://app.example/reset/1/secret", None),
        ("reset 1", None),
    ],
)
def test_a_request_id_that_could_be_an_address_or_a_link_is_not_published(request_id: str, shown: str | None) -> None:
    _, detail = published(replace(record(state=State.SENT), origin="UserInvited", request_id=request_id))

    assert detail.get("requestId") == shown
