"""A repetition of an unknown outcome has the octets of the first copy, or there is none."""

import pytest
from mailer.ledger.lifecycle import Reason
from mailer.ledger.record import OnUnknown, State
from mailer.message.draft import Draft
from mailer.service.sending.manage_email import retry_email
from mailer.smtp.outcome import Verdict

from tests import fakes
from tests.support.chain import ADA, GREYLISTED, LOST
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(ADA,), subject="Hello", text="Hi\n")
CHANGED_SENDERS = [
    entries(smtpFromAddress="New <new@acme.example>"),
    entries(smtpReplyTo="help@acme.example"),
]


def relay_service(verdict: Verdict) -> MemoryService:
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


@pytest.mark.parametrize("changed", CHANGED_SENDERS, ids=["from", "reply-to"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_an_unknown_outcome_is_not_repeated_with_other_octets(changed: str, by_hand: bool) -> None:
    service = relay_service(LOST)
    accepted = service.accept(DRAFT, on_unknown=OnUnknown.HOLD if by_hand else OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(changed, "v2")
    service.advance(600)
    if by_hand:
        retry_email(ACME, accepted.id, ports=service.send_ports)
    service.sweep()
    service.deliver(accepted)

    known = service.known(accepted)
    assert (known.state, known.is_final, known.reason) == (State.UNKNOWN, True, Reason.SENDER_CHANGED)
    assert len(service.relay.sends) == 1


def test_an_unknown_outcome_is_repeated_after_a_change_that_leaves_the_octets_as_they_are() -> None:
    service = relay_service(LOST)
    accepted = service.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(entries(smtpSocketTimeout="20"), "v2")
    service.relay.verdict = fakes.ACCEPTED
    service.advance(600)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT
    assert len({each.message.as_bytes() for each in service.relay.sends}) == 1
    assert len(service.relay.sends) == 2


@pytest.mark.parametrize("changed", CHANGED_SENDERS, ids=["from", "reply-to"])
def test_a_deferred_message_leaves_with_the_changed_sender(changed: str) -> None:
    service = relay_service(GREYLISTED)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(changed, "v2")
    service.relay.verdict = fakes.ACCEPTED
    service.advance(600)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT
