"""An unknown outcome is about a recipient: the others are served, and only it is bound to its transport."""

from copy import replace

import pytest
from mailer.api.emails.responses import result_view
from mailer.ledger.record import OnUnknown, State
from mailer.message.address import parse_mailbox
from mailer.secret.resolution import SecretAbsent
from mailer.service.sending.manage_email import retry_email
from mailer.smtp.outcome import Accepted, Deferred, RelayError, Unknown

from tests import fakes
from tests.support.chain import (
    ACCEPTED,
    ADA,
    AUTH_REJECTED,
    BOTH,
    GREYLISTED,
    HOSTS,
    LOST,
    UNREACHABLE,
    Killed,
    Turn,
    chain_secret,
    chain_service,
    only_record,
    sent_report,
    serve_what_is_due,
    verdicts_of,
)
from tests.support.projects import ACME
from tests.support.shown import shown

ADA_ONLY = Turn(verdicts={"bob": GREYLISTED})


BOB_LOST = Turn(verdicts={"bob": LOST}, takes=False)


@pytest.mark.parametrize("is_queued", [False, True])
def test_an_unknown_recipient_is_repeated_although_another_one_accepted(is_queued: bool) -> None:
    service, providers = chain_service(BOB_LOST)
    if is_queued:
        service.deliver(service.accept(BOTH, on_unknown=OnUnknown.RETRY))
    else:
        body = shown(result_view(sent_report(service.send(BOTH, on_unknown=OnUnknown.RETRY))))
        assert (body["status"], body["next_attempt_at"] is None) == ("partially_sent", False)
    assert (only_record(service).state, only_record(service).is_final) == (State.UNKNOWN, False)
    serve_what_is_due(service)

    assert providers.asked()[1:] == [(HOSTS[0], ("bob",))]
    assert (only_record(service).state, providers.copies_of(ADA.address)) == (State.SENT, 1)


def test_an_unknown_recipient_is_not_repeated_under_hold() -> None:
    service, providers = chain_service(BOB_LOST)
    service.deliver(service.accept(BOTH))
    serve_what_is_due(service)

    assert (only_record(service).state, only_record(service).is_final, len(providers.sends)) == (
        State.PARTIALLY_SENT,
        True,
        1,
    )


def test_a_retry_by_hand_serves_the_unknown_recipient_of_a_partly_sent_message() -> None:
    service, providers = chain_service(BOB_LOST)
    service.deliver(service.accept(BOTH))

    retried = retry_email(ACME, only_record(service).id, ports=service.send_ports)
    assert retried.may_duplicate
    assert [type(each) for each in verdicts_of(retried.record)] == [Accepted, Unknown]
    service.deliver(retried.record)

    assert (only_record(service).state, providers.asked()[1:]) == (State.SENT, [(HOSTS[0], ("bob",))])
    assert service.drafts.contents == {}


def test_a_deferred_recipient_does_not_delay_the_repetition_of_another_one() -> None:
    service, providers = chain_service(Turn(verdicts={"ada": LOST}, otherwise=GREYLISTED))
    providers.usual[HOSTS[0]] = Turn(verdicts={"bob": GREYLISTED})
    service.deliver(service.accept(BOTH, on_unknown=OnUnknown.RETRY))
    serve_what_is_due(service, rounds=1)

    assert [type(each) for each in verdicts_of(only_record(service))] == [Accepted, Deferred]


def test_a_repetition_waits_five_minutes_even_if_another_recipient_is_due_before() -> None:
    service, providers = chain_service(Turn(verdicts={"ada": LOST}, otherwise=GREYLISTED))
    accepted = service.accept(BOTH, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.advance(60)
    service.deliver(accepted)

    assert providers.asked()[1:] == [(HOSTS[0], ("bob",))]
    assert (service.known(accepted).state, service.known(accepted).is_final) == (State.UNKNOWN, False)
    service.advance(300)
    service.deliver(accepted)
    assert providers.asked()[2:] == [(HOSTS[0], ("ada",))]


def test_only_the_unknown_recipient_is_bound_to_its_transport() -> None:
    service, providers = chain_service(Turn(verdicts={"ada": LOST}, otherwise=GREYLISTED))
    accepted = service.accept(BOTH, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(chain_secret((HOSTS[1],)), "version-2")
    serve_what_is_due(service)

    known = service.known(accepted)
    assert providers.asked()[1:] == [(HOSTS[1], ("bob",))]
    assert [type(each) for each in verdicts_of(known)] == [Unknown, Accepted]
    assert (known.state, known.is_final) == (State.PARTIALLY_SENT, True)


def test_a_message_whose_unknown_recipients_lost_their_transport_stays_unknown() -> None:
    service, providers = chain_service(Turn(LOST))
    accepted = service.accept(BOTH, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.answers[ACME] = SecretAbsent()
    serve_what_is_due(service)

    known = service.known(accepted)
    assert (known.state, known.is_final, known.reason) == (State.UNKNOWN, True, "transport-changed")
    assert (len(providers.sends), service.server.requests) == (1, [])


def test_a_host_in_other_letter_case_is_the_same_transport_for_a_repetition() -> None:
    service, providers = chain_service(Turn(verdicts={"ada": LOST, "bob": LOST}, takes=False))
    accepted = service.accept(BOTH, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(chain_secret((HOSTS[0].upper(),)), "version-2")
    serve_what_is_due(service)

    assert (service.known(accepted).state, providers.asked()[1][1]) == (State.SENT, ("ada", "bob"))


def test_each_provider_gets_only_the_recipients_that_it_may_serve() -> None:
    """Ada may have a copy of the second provider, so the first one is asked for Bob alone."""
    service, providers = chain_service(Turn(UNREACHABLE), Turn(verdicts={"ada": LOST}, otherwise=GREYLISTED))
    accepted = service.accept(BOTH, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.advance(400)
    service.deliver(accepted)

    assert providers.asked()[2:] == [(HOSTS[0], ("bob",)), (HOSTS[1], ("ada",))]
    assert service.known(accepted).state is State.SENT


def test_a_lost_worker_makes_only_the_recipients_of_its_last_provider_unknown() -> None:
    service, providers = chain_service(ADA_ONLY, Turn(kills=True))
    accepted = service.accept(BOTH)
    with pytest.raises(Killed):
        service.deliver(accepted)
    serve_what_is_due(service)

    assert [type(each) for each in verdicts_of(service.known(accepted))] == [Accepted, Unknown]
    assert (service.known(accepted).state, len(providers.sends)) == (State.PARTIALLY_SENT, 2)


def test_a_repetition_that_meets_rejected_credentials_waits_for_the_admin() -> None:
    service, providers = chain_service(Turn(LOST, takes=False))
    accepted = service.accept(BOTH, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    providers.turns[HOSTS[0]] = [Turn(AUTH_REJECTED)]
    service.advance(400)
    service.deliver(accepted)

    known = service.known(accepted)
    assert (known.state, [type(each) for each in verdicts_of(known)]) == (State.HELD, [Unknown, Unknown])
    assert not any(isinstance(each, RelayError) for each in verdicts_of(known))
    serve_what_is_due(service)
    assert service.known(accepted).state is State.SENT


def test_a_message_with_new_recipients_in_each_verdict_keeps_them_apart() -> None:
    eve = parse_mailbox("eve@example.net")
    turn = Turn(verdicts={"ada": ACCEPTED, "bob": LOST, "eve": GREYLISTED})
    service, providers = chain_service(turn, Turn())
    draft = replace(BOTH, cc=(eve,))

    body = shown(result_view(sent_report(service.send(draft))))

    assert providers.asked()[1] == (HOSTS[1], ("eve",))
    assert (body["status"], body["accepted"], body["deferred"]) == (
        "partially_sent",
        ["ada@example.net", "eve@example.net"],
        [],
    )
    assert [each["recipient"] for each in body["unknown"]] == ["bob@example.net"]
