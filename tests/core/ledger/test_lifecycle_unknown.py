"""After an unknown outcome a message and its recipients end with the same result."""

import pytest
from mailer.ledger.lifecycle import Reason, conclude, retry
from mailer.ledger.recipients import recipients_to_serve
from mailer.ledger.record import State
from mailer.smtp.outcome import Verdict

from tests.core.ledger.test_lifecycle import (
    ADA,
    AUTH_REJECTED,
    BOB,
    DEFERRED,
    NOW,
    REJECTED,
    UNKNOWN,
    record,
    settled,
)
from tests.fakes import ACCEPTED


@pytest.mark.parametrize("second", [None, DEFERRED, REJECTED, AUTH_REJECTED, ACCEPTED])
@pytest.mark.parametrize("end", [State.CANCELLED, State.EXPIRED, State.FAILED])
def test_after_an_unknown_outcome_the_message_and_its_recipient_agree(second: Verdict | None, end: State) -> None:
    """The first copy may have arrived, so only an acceptance replaces the verdict."""
    again = retry(settled(record(), UNKNOWN), now=NOW)
    after = again if second is None else settled(again, second)
    ended = after if after.is_final else conclude(after, end, Reason.CANCELLED, now=NOW)
    verdict = ended.recipients[0].verdict

    expected = (State.SENT, ACCEPTED) if second == ACCEPTED else (State.UNKNOWN, UNKNOWN)
    assert (ended.state, verdict) == expected


def test_a_recipient_that_may_have_a_copy_stays_unknown_while_it_waits_for_its_retry() -> None:
    again = retry(settled(record(ADA, BOB), UNKNOWN, REJECTED), now=NOW)

    assert [each.verdict for each in again.recipients] == [UNKNOWN, REJECTED]
    assert recipients_to_serve(again, now=NOW) == (ADA,)


def test_only_the_recipient_with_the_unknown_outcome_stays_unknown() -> None:
    again = retry(settled(record(ADA, BOB), UNKNOWN, DEFERRED), now=NOW)
    ended = conclude(again, State.CANCELLED, Reason.CANCELLED, now=NOW)

    assert [each.verdict for each in ended.recipients] == [UNKNOWN, None]
    assert ended.state is State.UNKNOWN
